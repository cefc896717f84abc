/* A toy engine as a driver, in C, written from docs/drivers.md alone. `ledger [BUG]`: a snapshot, and a log of what was committed since.
   `rows` holds all rows as of a generation, `log.N` the commits of generation N, each at a sector of its own and synced before it is answered. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define FULL_LOG (16 * 1024)

typedef struct { char *key, *value; } Row;
typedef struct { uint32_t magic, generation, len, crc; uint64_t at; } Head;
enum { MAGIC = 0x4c454447 };

static const char *bug = "";
static char dir[4096];
static Row *rows;
static size_t count, room;
static int log_fd = -1, failed, commits;
static uint32_t generation;
static uint64_t end, last;

static int has(const char *name) { return !strcmp(bug, name); }

static uint32_t crc_of(const Head *head, const char *bytes) {
    uint32_t crc = ~0u;
    uint32_t parts[4] = {head->generation, head->len, (uint32_t)head->at, (uint32_t)(head->at >> 32)};
    const unsigned char *from[2] = {(void *)parts, (void *)bytes};
    size_t lens[2] = {sizeof parts, head->len};
    for (int part = 0; part < 2; part++)
        for (size_t i = 0; i < lens[part]; i++) {
            crc ^= from[part][i];
            for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
    return ~crc;
}

static void put(const char *key, const char *value) {
    size_t at = 0;
    while (at < count && strcmp(rows[at].key, key) < 0) at++;
    int there = at < count && !strcmp(rows[at].key, key);
    if (there) {
        free(rows[at].value);
        if (value) { rows[at].value = strdup(value); return; }
        free(rows[at].key);
        memmove(rows + at, rows + at + 1, (--count - at) * sizeof *rows);
    } else if (value) {
        if (count == room) rows = realloc(rows, (room = room * 2 + 16) * sizeof *rows);
        memmove(rows + at + 1, rows + at, (count++ - at) * sizeof *rows);
        rows[at] = (Row){strdup(key), strdup(value)};
    }
}

/* Lines "+KEY VALUE" and "-KEY". */
static void apply(char *text) {
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        char *value = strchr(line, ' ');
        if (value) *value++ = 0;
        put(line + 1, *line == '+' ? value : NULL);
    }
}

static int write_all(int fd, const char *bytes, size_t len, uint64_t at) {
    while (len) {
        ssize_t done = pwrite(fd, bytes, len, at);
        if (done < 0) return -1;
        bytes += done; len -= done; at += done;
    }
    return 0;
}

static int sync_fd(int fd) { return fsync(fd) && !has("ignore-failed-sync") ? -1 : 0; }

static int sync_path(const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) return -1;
    int done = sync_fd(fd), error = errno;
    close(fd);
    errno = error;
    return done;
}

static char *path_of(const char *name, uint32_t number) {
    static char path[2][4200];
    static int turn;
    turn = !turn;
    if (number == UINT32_MAX) snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    else snprintf(path[turn], sizeof path[turn], "%s/%s.%u", dir, name, number);
    return path[turn];
}

static int write_record(int fd, const char *text, uint64_t at, uint64_t *after) {
    size_t len = strlen(text), whole = (sizeof(Head) + len + SECTOR - 1) / SECTOR * SECTOR;
    char *bytes = calloc(1, whole);
    Head head = {MAGIC, generation, (uint32_t)len, 0, at};
    head.crc = crc_of(&head, text);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, text, len);
    int done = write_all(fd, bytes, whole, at);
    free(bytes);
    *after = at + whole;
    return done;
}

/* The text of the record at an offset; NULL if there is no whole one. */
static char *record_at(const char *bytes, size_t len, uint64_t at, uint32_t *of, uint64_t *after) {
    Head head;
    if (at + sizeof head > len) return NULL;
    memcpy(&head, bytes + at, sizeof head);
    if (head.magic != MAGIC || head.len > len - at - sizeof head || head.at != at) return NULL;
    if (*of != UINT32_MAX && head.generation != *of) return NULL;
    if (!has("no-checksum") && head.crc != crc_of(&head, bytes + at + sizeof head)) return NULL;
    *of = head.generation;
    *after = at + (sizeof head + head.len + SECTOR - 1) / SECTOR * SECTOR;
    return strndup(bytes + at + sizeof head, head.len);
}

static char *slurp(const char *path, size_t *len) {
    int fd = open(path, O_RDONLY);
    struct stat info;
    if (fd < 0) return NULL;
    if (fstat(fd, &info)) { close(fd); return NULL; }
    char *bytes = calloc(1, info.st_size + 1);
    size_t at = 0;
    for (ssize_t got; at < (size_t)info.st_size; at += got)
        if ((got = pread(fd, bytes + at, info.st_size - at, at)) <= 0) { free(bytes); close(fd); return NULL; }
    close(fd);
    *len = at;
    return bytes;
}

static int new_generation(uint32_t next) {
    size_t need = 1;
    for (size_t i = 0; i < count; i++) need += strlen(rows[i].key) + strlen(rows[i].value) + 3;
    char *text = calloc(1, need), *to = text;
    for (size_t i = 0; i < count; i++) to += sprintf(to, "+%s %s\n", rows[i].key, rows[i].value);
    uint32_t old = generation;
    uint64_t after;
    int log = open(path_of("log", next), O_RDWR | O_CREAT | O_TRUNC, 0644);
    int snapshot = open(path_of("rows.new", UINT32_MAX), O_RDWR | O_CREAT | O_TRUNC, 0644);
    generation = next;
    int done = log < 0 || snapshot < 0 || sync_fd(log) || write_record(snapshot, text, 0, &after) || sync_fd(snapshot);
    free(text);
    if (snapshot >= 0) close(snapshot);
    done = done || sync_path(dir) || rename(path_of("rows.new", UINT32_MAX), path_of("rows", UINT32_MAX));
    if (!done && !has("no-directory-sync")) done = sync_path(dir);
    int error = errno;
    if (done) { if (log >= 0) close(log); errno = error; return -1; }
    if (log_fd >= 0) { close(log_fd); unlink(path_of("log", old)); }
    log_fd = log;
    end = last = 0;
    return 0;
}

/* NULL if it is open; else the kind of failure. */
static const char *open_store(const char *mode) {
    size_t len;
    uint32_t of = UINT32_MAX;
    while (count) put(rows[0].key, NULL);
    failed = commits = 0;
    log_fd = -1;
    if (access(path_of("rows", UINT32_MAX), F_OK)) {
        if (strcmp(mode, "create-or-open")) return "corruption";
        return new_generation(0) ? "io" : NULL;
    }
    if (sync_path(dir)) return "io";
    char *bytes = slurp(path_of("rows", UINT32_MAX), &len), *text;
    uint64_t after;
    if (!bytes) return "io";
    text = record_at(bytes, len, 0, &of, &after);
    free(bytes);
    if (!text) return "corruption";
    apply(text);
    free(text);
    generation = of;
    bytes = slurp(path_of("log", of), &len);
    if (!bytes) return errno == ENOENT ? "corruption" : "io";
    for (end = 0, last = 0; (text = record_at(bytes, len, end, &of, &after)); free(text)) {
        apply(text);
        last = end;
        end = after;
    }
    if (!has("cut-at-damage") && !has("no-checksum"))
        for (uint64_t at = end + SECTOR; at < len; at += SECTOR)
            if ((text = record_at(bytes, len, at, &of, &after))) { free(text); free(bytes); return "corruption"; }
    log_fd = open(path_of("log", of), O_RDWR);
    /* What the cache shows need not be on the disk: it is written again. */
    int done = log_fd < 0 || write_all(log_fd, bytes, end, 0) || ftruncate(log_fd, end) || sync_fd(log_fd);
    free(bytes);
    if (done) { if (log_fd >= 0) close(log_fd); log_fd = -1; return "io"; }
    return NULL;
}

static const char *commit(const char *text) {
    uint64_t after;
    if (failed) return "io";
    if (write_record(log_fd, text, end, &after) || (!has("early-answer") && sync_fd(log_fd))) {
        failed = 1;
        return errno == ENOSPC || errno == EDQUOT ? "full" : "io";
    }
    last = end;
    end = after;
    char *copy = strdup(text);
    apply(copy);
    free(copy);
    /* The commit is done; whether there is a new generation now, nobody knows if that fails. */
    if (end > FULL_LOG && new_generation(generation + 1)) failed = 1;
    return NULL;
}

/* The text of a member, or an empty one. */
static char *member(const char *line, const char *name) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
    const char *at = strstr(line, wanted);
    if (!at) return strdup("");
    at += strlen(wanted);
    return strndup(at, strcspn(at, "\""));
}

/* [["put","6b","76"],["del","6b"]] as lines. */
static char *lines_of(const char *line) {
    const char *at = strstr(line, "\"ops\":[");
    char *text = calloc(1, strlen(line) + 1), *to = text;
    for (at = at ? at + 7 : ""; *at && *at != ']'; at++) {
        char op[4], *words[2] = {NULL, NULL};
        if (*at != '[') continue;
        int number = 0;
        for (at++; *at && *at != ']'; at++) {
            if (*at != '"') continue;
            size_t len = strcspn(++at, "\"");
            if (number == 0) snprintf(op, sizeof op, "%.*s", (int)len, at);
            else if (number < 3) words[number - 1] = strndup(at, len);
            at += len;
            number++;
        }
        if (!strcmp(op, "put")) to += sprintf(to, "+%s %s\n", words[0], words[1]);
        else to += sprintf(to, "-%s\n", words[0]);
        free(words[0]);
        free(words[1]);
    }
    return text;
}

static void answer(const char *id, const char *kind, const char *rest) {
    if (kind) printf("{\"id\":%s,\"ok\":false,\"kind\":\"%s\",\"error\":\"%s\"}\n", id, kind, rest);
    else printf("{\"id\":%s,\"ok\":true%s}\n", id, rest);
    fflush(stdout);
}

int main(int argc, char **argv) {
    char *line = NULL;
    size_t line_room = 0;
    if (argc > 1) bug = argv[1];
    while (getline(&line, &line_room, stdin) > 0) {
        char id[32] = "null", *op = member(line, "op"), *at = strstr(line, "\"id\":");
        if (at) snprintf(id, sizeof id, "%.*s", (int)strspn(at + 5, "0123456789"), at + 5);
        if (!strcmp(op, "hello")) {
            answer(id, NULL, ",\"protocol\":1,\"name\":\"ledger\",\"version\":\"1\",\"capabilities\":[\"delete\",\"multi\",\"scan\",\"checkpoint\"],"
                "\"promises\":{\"levels\":{\"sync\":{\"process\":\"durable\",\"power\":\"durable\"}},\"damage\":\"detected\"}");
        } else if (!strcmp(op, "open")) {
            char *to = member(line, "dir"), *mode = member(line, "mode");
            snprintf(dir, sizeof dir, "%s", to);
            if (!strstr(line, "\"options\":{}") && strstr(line, "\"options\"")) answer(id, "other", "no options are known");
            else { const char *kind = open_store(mode); answer(id, kind, kind ? "cannot open" : ""); }
            free(to); free(mode);
        } else if (!strcmp(op, "commit")) {
            char *text = lines_of(line);
            if (++commits == 4 && has("hang")) for (;;) pause();
            if (commits == 4 && has("garbage")) { printf("fine!\n"); fflush(stdout); }
            const char *kind = commit(text);
            answer(id, kind, kind ? strerror(errno) : "");
            free(text);
        } else if (!strcmp(op, "get")) {
            char *key = member(line, "key");
            const char *value = NULL;
            for (size_t i = 0; i < count; i++) if (!strcmp(rows[i].key, key)) value = rows[i].value;
            if (value) printf("{\"id\":%s,\"ok\":true,\"value\":\"%s\"}\n", id, value);
            else printf("{\"id\":%s,\"ok\":true,\"value\":null}\n", id);
            fflush(stdout);
            free(key);
        } else if (!strcmp(op, "scan")) {
            printf("{\"id\":%s,\"ok\":true,\"rows\":[", id);
            for (size_t i = 0; i < count; i++) printf("%s[\"%s\",\"%s\"]", i ? "," : "", rows[i].key, rows[i].value);
            printf("]}\n");
            fflush(stdout);
        } else if (!strcmp(op, "checkpoint")) {
            const char *kind = failed || new_generation(generation + 1) ? "io" : NULL;
            failed |= kind != NULL;
            answer(id, kind, kind ? "cannot make a checkpoint" : "");
        } else if (!strcmp(op, "close")) {
            if (has("drop-last") && last < end && ftruncate(log_fd, last)) return 1;
            if (log_fd >= 0) close(log_fd);
            log_fd = -1;
            answer(id, NULL, "");
        } else answer(id, "unsupported", op);
        free(op);
    }
}
