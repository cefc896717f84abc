//! The command line.

use super::Step;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run these steps, in this order.
    Run(Vec<Step>),
    /// Say what there is.
    Help,
}

impl Request {
    /// Reads the arguments that follow the program's name. The error says which one is wrong.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-h" | "--help" | "help" => return Ok(Self::Help),
                "--skip" => {
                    let name = arguments.next().ok_or("--skip needs a step")?;
                    skipped.push(step(&name)?);
                }
                name => chosen.push(step(name)?),
            }
        }
        if chosen.is_empty() {
            chosen = Step::ALL.to_vec();
        }
        chosen.retain(|step| !skipped.contains(step));
        if chosen.is_empty() {
            Err("no step is left".to_owned())
        } else {
            Ok(Self::Run(chosen))
        }
    }
}

fn step(name: &str) -> Result<Step, String> {
    Step::named(name).ok_or_else(|| format!("there is no step `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        Request::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_a_step_all_of_them_run_in_order() {
        assert_eq!(parse(""), Ok(Request::Run(Step::ALL.to_vec())));
    }

    #[test]
    fn named_steps_run_in_the_order_given() {
        assert_eq!(
            parse("doc fmt"),
            Ok(Request::Run(vec![Step::Doc, Step::Fmt]))
        );
    }

    #[test]
    fn skipped_steps_are_left_out() {
        let Ok(Request::Run(steps)) = parse("--skip test") else {
            panic!()
        };
        assert_eq!(steps.len(), Step::ALL.len() - 1);
        assert!(!steps.contains(&Step::Test));
    }

    #[test]
    fn a_wrong_word_is_named_and_nothing_runs() {
        assert_eq!(
            parse("fmt clipy"),
            Err("there is no step `clipy`".to_owned())
        );
        assert_eq!(parse("--skip"), Err("--skip needs a step".to_owned()));
        assert_eq!(parse("fmt --skip fmt"), Err("no step is left".to_owned()));
    }
}
