#!/usr/bin/env python3
"""Measures `archiver serve` on a large archive: how long each kind of page takes at the server and until a browser first
paints it, how much memory that takes, and what it costs a sync.

    contrib/load-web.py [--program target/release/archiver] [--messages 1000000] [--readers 50] [--seconds 20]

Makes an archive in target/load-web unless one of that size is there: 2,000 conversations, one of them with a tenth of all
messages. Each kind of page is asked for by one reader, then by many at once, each of whom looks at a page about every
second, while `archiver sync` archives what comes into a mailbox of `archiver fake-api`. These times are the server's own, of
the header `server-timing`. Chromium, where it is installed, says when it first painted each page.
"""

import argparse
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
WORDS = ("the of and to report contract meeting thursday invoice budget draft thanks coffee team project review plan "
         "hello question answer number offer price delivery summer winter office train flight notes slides").split()
NOW_MS = int(time.time() * 1000)
SPAN_MS = 6 * 365 * 86_400_000
LIMIT_MS = 50
PAINT_LIMIT_MS = 200
SLOWED_LIMIT = 0.1
COMMON_LIMIT_MS = 30
MEMORY_KIB = 48 * 1024


def text(rng):
    rare = f"w{rng.randrange(20_000)}"
    return " ".join(rng.choices(WORDS, k=rng.randrange(3, 18)) + [rare])


def make(path, messages, conversations=2_000):
    """An archive as a sync leaves it; all texts are plain, so the second full-text index stays empty."""
    rng = random.Random(1)
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + open(f"{ROOT}/schema.sql").read())
    db.execute("INSERT INTO account (id, name, owner_name) VALUES (1, 'me', 'Olivia Owner')")
    db.execute("INSERT INTO person VALUES (1, 1, 'Olivia Owner', 'Olivia', 'Owner', NULL, 1)")
    db.execute("INSERT INTO kind VALUES (1, 'TEXT')")
    db.execute("INSERT INTO template VALUES (1, ?)", ('{"text":\1,"timestamp":\2,"sender":\3,"message_type":\7,"entity_urn":\b}',))
    large = messages // 10
    sizes = [large] + [(messages - large) // (conversations - 1)] * (conversations - 1)
    used, rows = set(), []
    for number, size in enumerate(sizes, 1):
        thread = "2-" + hashlib.sha1(str(number).encode()).hexdigest()[:24]
        urn = f"urn:li:msg_conversation:(urn:li:fsd_profile:A,{thread})"
        db.execute("INSERT INTO person VALUES (?, 1, ?, ?, ?, NULL, 0)", (number + 1, f"Person {number}", "Person", str(number)))
        db.execute("INSERT INTO urn_shape VALUES (?, 'urn:li:msg_message:(urn:li:fsd_profile:A,2-', ?)", (number, f"{thread})"))
        end = NOW_MS - rng.randrange(SPAN_MS // 4)
        start = end - (SPAN_MS // 2 if number > 1 else SPAN_MS - SPAN_MS // 4)
        times = sorted(rng.randrange(start, end) for _ in range(size))
        mine = 0
        for n, at in enumerate(times):
            key, me = at >> 10, rng.random() < 0.5
            while key in used:
                key += 1
            used.add(key)
            mine += me
            rows.append((key, number, at, 1 if me else number + 1, 1, 1, number, at, f"m{number}x{n}", text(rng)))
        db.execute(
            "INSERT INTO conversation (id, account, thread, urn, name, discovered, messages, oldest_ms, newest_ms,"
            " beginning_seen_ms, synced_ms, inbox_seen_ms, inbox_last_message_ms) VALUES (?, 1, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
            (number, thread, urn, f"Person {number}", size, times[0], times[-1], NOW_MS, NOW_MS, NOW_MS, times[-1]))
        db.execute("INSERT INTO participant VALUES (?, 1, ?), (?, ?, ?)", (number, mine, number, number + 1, size - mine))
        if number % 20 == 0:
            middle = times[len(times) // 2]
            db.execute("INSERT INTO gap (account, conversation, newer_ms, older_ms, opened_ms) VALUES (1, ?, ?, ?, ?)",
                       (number, middle, middle - 1000, NOW_MS))
    rows.sort()
    db.executemany("INSERT INTO message (id, conversation, sent_at_ms, sender, kind, template, urn_shape, urn_probe, urn_key, text)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.execute("INSERT INTO inbox (account, newest_ms, oldest_ms, beginning_seen_ms, tried_ms, synced_ms) VALUES (1, ?, ?, ?, ?, ?)",
               (NOW_MS, NOW_MS - SPAN_MS, NOW_MS, NOW_MS, NOW_MS))
    for run in range(1, 2001):
        at = NOW_MS - (2001 - run) * 1_800_000
        db.execute("INSERT INTO run (id, kind, started_ms, finished_ms, trigger, outcome) VALUES (?, 'sync', ?, ?, 'schedule', 'complete')",
                   (run, at, at + 9_000))
        db.executemany("INSERT INTO request (run, at_ms, account, endpoint, conversation, purpose, asked, returned, credits_reserved,"
                       " credits_spent, http_status) VALUES (?, ?, 1, 'v1/messages', ?, 'head', 10, 10, 1, 1, 200)",
                       [(run, at + n, rng.randrange(1, conversations)) for n in range(5)])
    db.execute("INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()


def pages(path, rng):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    last = db.execute("SELECT max(id) FROM message").fetchone()[0]
    ids = [db.execute("SELECT id FROM message WHERE id <= ? ORDER BY id DESC LIMIT 1", (last - rng.randrange(SPAN_MS // 2048),)).fetchone()[0]
           for _ in range(50)]
    in_large = [r[0] for r in db.execute("SELECT id FROM message WHERE conversation = 1 AND id % 1997 = 0 LIMIT 40")]
    thread = db.execute("SELECT thread FROM conversation WHERE id = 7").fetchone()[0]
    db.close()
    some = lambda: rng.randrange(2, 2_000)
    return {
        "home": lambda: "/",
        "conversations": lambda: "/conversations",
        "conversations, filtered": lambda: f"/conversations?q=person+{some()}",
        "conversation": lambda: f"/c/{some()}",
        "conversation of 100,000": lambda: "/c/1",
        "around a message of it": lambda: f"/c/1?around={rng.choice(in_large)}",
        "at a date of it": lambda: f"/c/1?date={rng.randrange(2021, 2026)}-0{rng.randrange(1, 9)}",
        "a message's link": lambda: f"/m/{rng.choice(ids)}",
        "search, commonest word": lambda: "/search?q=the",
        "search, two words": lambda: "/search?q=" + "+".join(rng.sample(WORDS, 2)),
        "search, rare word": lambda: f"/search?q=w{rng.randrange(20_000)}",
        "search, beginning": lambda: f"/search?q={rng.choice('abcdefgrst')}*",
        "search, by sender": lambda: f"/search?q=report+from:%22Person+{some()}%22",
        "search, in a conversation": lambda: f"/search?q=report+in:{thread}",
        "search, nothing": lambda: f"/search?q=qqq{rng.randrange(999)}zz",
        "people": lambda: "/people",
        "a person": lambda: f"/people/{some()}",
        "statistics": lambda: "/stats",
        "ledger": lambda: "/ledger",
        "a run": lambda: f"/ledger/runs/{some()}",
        "coverage": lambda: "/coverage",
        "API: status": lambda: "/api/v1/status",
        "API: conversations": lambda: "/api/v1/conversations",
        "API: messages": lambda: f"/api/v1/conversations/{some()}/messages",
        "API: search": lambda: "/api/v1/search?q=the",
        "API: people": lambda: "/api/v1/people",
    }


class Reader:
    def __init__(self, address, key):
        self.connection = http.client.HTTPConnection(address, timeout=30)
        self.headers = {"Authorization": f"Bearer {key}"}

    def ask(self, url):
        """Milliseconds at the server."""
        try:
            self.connection.request("GET", url, headers=self.headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # Between two looks the server has closed a connection that said nothing.
            self.connection.close()
            self.connection.request("GET", url, headers=self.headers)
            answer = self.connection.getresponse()
        answer.read()
        if answer.status not in (200, 303):
            raise RuntimeError(f"{url}: {answer.status}")
        return float(re.search(r"dur=([0-9.]+)", answer.headers["server-timing"]).group(1))


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def memory(pid):
    status = open(f"/proc/{pid}/status").read()
    return {name: int(re.search(rf"{name}:\s+(\d+)", status).group(1)) for name in ("VmHWM", "VmRSS", "RssAnon")}


class Mailbox:
    """A mailbox of `archiver fake-api`, in which messages come in, and the syncs that archive them."""

    def __init__(self, program, config, archive):
        self.process = subprocess.Popen([program, "fake-api", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        address = next(found.group(1) for found in (re.search(r"http://(127[0-9.]+:\d+)", line) for line in self.process.stdout) if found)
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.api = http.client.HTTPConnection(address)
        self.program, self.config = program, config
        with open(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            told = self.ask("GET", "/_fake/config").replace('name = "me"', 'name = "mailbox"')
            file.write(told + f'[archive]\npath = "{archive}"\n[budget]\ncredits_per_run = 100000\n')
        self.sync()

    def ask(self, method, path, body=None):
        self.api.request(method, path, body=body)
        answer = self.api.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {text[:200]}")
        return text

    def sync(self):
        """One run: its seconds, requests and new messages."""
        begun = time.perf_counter()
        run = subprocess.run([self.program, "--config", self.config, "sync", "--once", "--json"], capture_output=True, text=True)
        took = time.perf_counter() - begun
        if run.returncode != 0:
            raise RuntimeError(f"sync ended with {run.returncode}: {run.stderr[-500:]}")
        report = json.loads(run.stdout)
        return took, report["requests"], report["new_messages"]

    def syncs(self, seconds):
        """A run every second, before which forty messages come in for each of ten conversations. What they took in all."""
        runs, end, rng = [], time.perf_counter() + seconds, random.Random(2)
        while time.perf_counter() < end:
            again = time.perf_counter() + 1
            for number in range(400):
                self.ask("POST", "/_fake/send", json.dumps({"conversation": number % 10, "text": text(rng)}))
            runs.append(self.sync())
            time.sleep(max(0, again - time.perf_counter()))
        return [sum(column) for column in zip(*runs)]


class Browser:
    """Chromium, driven over a pipe by the DevTools protocol."""

    def __init__(self, program, profile, key):
        (theirs_in, self.to), (self.answers, theirs_out) = os.pipe(), os.pipe()
        command = ('exec "$0" --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync '
                   f'--disable-component-update --remote-debugging-pipe --user-data-dir="$1" 3<&{theirs_in} 4>&{theirs_out}')
        self.process = subprocess.Popen(["bash", "-c", command, program, profile], pass_fds=(theirs_in, theirs_out),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in), os.close(theirs_out)
        self.unread, self.last, self.session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")
        self.call("Network.setExtraHTTPHeaders", headers={"Authorization": f"Bearer {key}"})

    def message(self):
        while b"\0" not in self.unread:
            read = os.read(self.answers, 1 << 16)
            if not read:
                raise RuntimeError("the browser has ended")
            self.unread += read
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.last += 1
        asked = {"id": self.last, "method": method, "params": params}
        if self.session:
            asked["sessionId"] = self.session
        os.write(self.to, json.dumps(asked).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def first_paint(self, url):
        """Milliseconds from the beginning of the navigation."""
        self.call("Page.navigate", url=url)
        ask = "(performance.getEntriesByName('first-contentful-paint')[0] || {startTime: 0}).startTime"
        for _ in range(500):
            value = self.call("Runtime.evaluate", expression=f"location.href === 'about:blank' ? 0 : {ask}")["result"].get("value", 0)
            if value:
                return value
            time.sleep(0.01)
        raise RuntimeError(f"{url} was never painted")

    def end(self):
        self.process.kill()
        self.process.wait()


def paints(address, key, kinds, folder):
    """Whether a page took too long."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        print("\nChromium is not installed: first paints were not measured")
        return True
    browser = Browser(program, os.path.join(folder, "profile"), key)
    late = False
    print(f"\n{'first paint in Chromium, ms':<34}{'first':>8}{'p50':>8}{'p95':>8}")
    for name, url in kinds.items():
        if name.startswith("API") or name == "a message's link":
            continue
        first = browser.first_paint(f"http://{address}{url()}")
        times = [browser.first_paint(f"http://{address}{url()}") for _ in range(20)]
        late |= percentile(times, 0.95) > PAINT_LIMIT_MS
        mark = "  TOO SLOW" if percentile(times, 0.95) > PAINT_LIMIT_MS else ""
        print(f"{name:<34}{first:>8.0f}{percentile(times, 0.5):>8.0f}{percentile(times, 0.95):>8.0f}{mark}", flush=True)
    browser.end()
    return late


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=f"{ROOT}/target/release/archiver")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--folder", default=f"{ROOT}/target/load-web")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    path = os.path.join(args.folder, f"{args.messages}.db")
    if not os.path.exists(path):
        begun = time.time()
        make(path + ".part", args.messages)
        os.rename(path + ".part", path)
        print(f"made {path}: {os.path.getsize(path) >> 20} MiB in {time.time() - begun:.0f} s", flush=True)
    work = os.path.join(args.folder, "archive.db")
    for ending in ("", "-wal", "-shm", ".lock"):
        if os.path.exists(work + ending):
            os.remove(work + ending)
    subprocess.run(["cp", "--reflink=auto", path, work], check=True)
    os.chmod(work, 0o600)
    config = os.path.join(args.folder, "archiver.toml")
    mailbox = Mailbox(args.program, config, work)
    server = subprocess.Popen([args.program, "--config", config, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True,
                              env={"PATH": os.environ["PATH"], "TZ": "UTC", "MALLOC_ARENA_MAX": "1"})  # as the unit sets it
    failed = False
    try:
        address, key = server.stdout.readline().strip().removeprefix("http://").split("/#key=")
        rng = random.Random(3)
        kinds = pages(work, rng)
        one = Reader(address, key)
        print(f"started: {memory(server.pid)['VmRSS']} KiB")
        print(f"{'one reader, ms at the server':<34}{'first':>8}{'p50':>8}{'p95':>8}{'max':>8}")
        for name, url in kinds.items():
            first = one.ask(url())
            times = [one.ask(url()) for _ in range(60)]
            worst = percentile(times, 0.95)
            limit = COMMON_LIMIT_MS if "commonest" in name else LIMIT_MS
            failed |= worst > limit
            mark = "  TOO SLOW" if worst > limit else ""
            print(f"{name:<34}{first:>8.1f}{percentile(times, 0.5):>8.1f}{worst:>8.1f}{max(times):>8.1f}{mark}", flush=True)
        print(f"memory: {memory(server.pid)}")

        failed |= paints(address, key, kinds, args.folder)

        alone = mailbox.syncs(args.seconds)
        stop, seen, errors, beside = threading.Event(), {name: [] for name in kinds}, [], []
        writer = threading.Thread(target=lambda: beside.append(mailbox.syncs(args.seconds)))

        def read(seed):
            mine = random.Random(seed)
            reader = Reader(address, key)
            time.sleep(mine.uniform(0, 1.5))
            while not stop.is_set():
                name = mine.choice(list(kinds))
                try:
                    seen[name].append(reader.ask(kinds[name]()))
                except Exception as error:  # every failure counts
                    errors.append(str(error))
                time.sleep(mine.uniform(0.5, 1.5))

        readers = [threading.Thread(target=read, args=(n,)) for n in range(args.readers)]
        for thread in readers + [writer]:
            thread.start()
        writer.join()
        stop.set()
        for thread in readers:
            thread.join()
        print(f"\n{args.readers} readers while a sync writes, ms at the server")
        for name, times in seen.items():
            if times:
                print(f"{name:<34}{len(times):>8}{percentile(times, 0.5):>8.1f}{percentile(times, 0.95):>8.1f}{max(times):>8.1f}")
        every = [t for times in seen.values() for t in times]
        print(f"all: {len(every)} pages, p50 {percentile(every, 0.5):.1f}, p95 {percentile(every, 0.95):.1f}, max {max(every):.1f} ms")
        print(f"failures: {len(errors)} {errors[:3]}")
        for what, (took, requests, new) in (("alone", alone), ("beside the readers", beside[0])):
            print(f"syncs {what}: {took:.2f} s for {requests} requests and {new} new messages")
        slowed = (beside[0][0] / beside[0][1]) / (alone[0] / alone[1]) - 1
        print(f"a request of the sync took {slowed:+.1%} beside the readers")
        failed |= slowed > SLOWED_LIMIT
        used = memory(server.pid)
        print(f"memory: {used}")
        failed |= percentile(every, 0.95) > LIMIT_MS or bool(errors) or used["VmHWM"] > MEMORY_KIB
    finally:
        for process in (server, mailbox.process):
            process.terminate()
            process.wait()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
