//! The loop: a line in, a line out.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufWriter, Write};
use std::panic;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::hex::hex;
use crate::request::{Request, Rows, members_of};
use crate::{Engine, Failure, Options};

/// Names the descriptor to answer on, so that what the engine prints is not taken for an answer.
const ANSWER_FD: &str = "CHAOS_ANSWER_FD";

/// Answers the requests of standard input until it ends. Fails if it cannot be read, or nobody listens.
///
/// A panic is told in one line: the end of standard error is what a report shows.
pub fn serve<E: Engine>() -> ExitCode {
    panic::set_hook(Box::new(|panicked| {
        let text = panicked.to_string().replace('\n', " ");
        eprintln!("{text}");
    }));
    let served = answers().and_then(|output| serve_on::<E>(io::stdin().lock(), output));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers the requests of a reader.
pub fn serve_on<E: Engine>(mut input: impl BufRead, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let mut engine = None;
    let mut line = Vec::new();
    let ended = loop {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => break Ok(()),
            Err(error) => break Err(error),
            Ok(_) if line.trim_ascii().is_empty() => continue,
            Ok(_) => {}
        }
        let answer = answer::<E>(&line, &mut engine);
        if let Err(error) = writeln!(output, "{answer}").and_then(|()| output.flush()) {
            break Err(error);
        }
    };
    // A process that ends tidies nothing up.
    std::mem::forget(engine);
    ended
}

/// By its name under `/proc`: a descriptor by number is beyond safe code.
fn answers() -> io::Result<Box<dyn Write>> {
    let number = env::var(ANSWER_FD).ok();
    let number = number.and_then(|text| text.parse::<u32>().ok());
    match number {
        None => Ok(Box::new(io::stdout())),
        Some(number) => {
            let pipe = OpenOptions::new()
                .write(true)
                .open(format!("/proc/self/fd/{number}"))?;
            Ok(Box::new(pipe))
        }
    }
}

fn answer<E: Engine>(line: &[u8], engine: &mut Option<E>) -> Value {
    let members = members_of(line);
    let id = members.as_ref().ok().and_then(|all| all.get("id").cloned());
    let done = members
        .and_then(|members| Request::read(&members))
        .and_then(|request| done(request, engine));
    let mut answer = match done {
        Ok(mut members) => {
            members["ok"] = true.into();
            members
        }
        Err(failure) => failure.members(),
    };
    answer["id"] = id.unwrap_or(Value::Null);
    answer
}

/// The members of a success.
fn done<E: Engine>(request: Request, engine: &mut Option<E>) -> Result<Value, Failure> {
    let nothing = Value::Object(Map::new());
    match request {
        Request::Hello => return Ok(E::about().members()),
        Request::Open { .. } if engine.is_some() => {
            return Err(Failure::other("a database is open already"));
        }
        Request::Open { dir, mode, options } => {
            let about = E::about();
            if let Some(unknown) = options.keys().find(|name| !about.knows(name)) {
                let known = about.known_options();
                let text = format!("the option `{unknown}` is not known: there are {known}");
                return Err(Failure::other(text));
            }
            *engine = Some(E::open(&dir, mode, &Options::new(options))?);
        }
        Request::Close => opened(engine.take())?.close()?,
        request => return asked(request, opened(engine.as_mut())?),
    }
    Ok(nothing)
}

fn asked<E: Engine>(request: Request, engine: &mut E) -> Result<Value, Failure> {
    match request {
        Request::Commit { writes, level } => {
            if !E::about().offers(level) {
                let text = format!("the durability `{}`", level.name());
                return Err(Failure::unsupported(text));
            }
            engine.commit(&writes, level)?;
        }
        Request::Get(key) => {
            let value = engine.get(&key)?;
            return Ok(json!({"value": value.map(|value| hex(&value))}));
        }
        Request::Scan(rows) => return scanned(&rows, engine),
        Request::Sync => engine.sync()?,
        Request::Checkpoint => engine.checkpoint()?,
        Request::Verify => return Ok(json!({"problems": engine.verify()?})),
        // Answered by the caller.
        Request::Hello | Request::Open { .. } | Request::Close => {}
    }
    Ok(Value::Object(Map::new()))
}

fn scanned<E: Engine>(asked: &Rows, engine: &mut E) -> Result<Value, Failure> {
    let (mut rows, mut more) = (Vec::new(), false);
    engine.scan(&asked.from, &mut |key, value| {
        if asked.to.as_deref().is_some_and(|to| key >= to) {
            return false;
        }
        if asked.limit.is_some_and(|limit| rows.len() >= limit) {
            more = true;
            return false;
        }
        rows.push(json!([hex(key), hex(value)]));
        true
    })?;
    let mut answer = json!({"rows": rows});
    if more {
        answer["more"] = true.into();
    }
    Ok(answer)
}

fn opened<T>(engine: Option<T>) -> Result<T, Failure> {
    engine.ok_or_else(|| Failure::other("no database is open"))
}
