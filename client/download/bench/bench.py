#!/usr/bin/env python3
"""Compares usher with other download programs in one run.

  bench.py                                  every scenario, full size, 3 rounds
  bench.py --scenario big,small --scale 0.25
  bench.py --scenario lan --rows usher,raw,aria2c --rounds 5
  bench.py --list                           scenarios and rows

All rows download from one versitygw (v1.8.0). usher's row is the real program
with all of its work: a release by its backend, recorded in an audit log on disk
before the URL is signed, then verification, sync and rename. The others have
keys, or presigned URLs that live for a day. Each round runs each row once, in
an order that rotates, and compares every byte after each run. Compare ratios
within one run only; read the medians together with min..max.

  best   median speed as a ratio to the best peer
  ceil   median speed as a ratio to the best "raw" row: bare ranged GETs and pwrite
  cpu    user and system seconds of the program and its children
  peak   resident memory of its largest process

Only versitygw is required. --install builds it, rclone and mc from their Go modules
into $BENCH_CACHE/bin (some minutes, once); aria2c and aws come with most systems. A
row whose program is not installed shows "absent" and the way to install it. Programs
are searched in PATH and $BENCH_CACHE/bin. Scenarios over a link need root and $BENCH_RIG, a directory
with linkem.sh: "up FLAGS" makes the network namespaces cli and srv with an
emulated link between them, "down" removes them. Without $BENCH_RIG the output
lists these scenarios as left out.
"""
import argparse, json, os, shlex, shutil, signal, socket, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(f"{HERE}/../../..")
CACHE = os.environ.get("BENCH_CACHE", os.path.expanduser("~/.cache/usher-bench"))
RIG = os.environ.get("BENCH_RIG", "")
PATH = f"{CACHE}/bin:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
BUCKET, MIB = "bench", 1 << 20
LAN = "--rtt 30ms --rate 1gbit --flow-rate 100mbit"

# name: (objects, bytes of each, link or None, purpose, wanted speed of usher as a ratio to the best of some peers: "" is all of them)
SCENARIOS = {
    "big": (1, 1024 * MIB, None, "1 GiB on loopback: copies and checksums decide", {"": 1.0}),
    "mid": (16, 32 * MIB, None, "16 x 32 MiB on loopback", {"": 1.0}),
    "small": (10000, 4096, None, "10,000 x 4 KiB on loopback: the cost of one request decides", {"rclone sdk sdk-default": 1.4, "curl": 0.7}),
    "lan": (1, 256 * MIB, LAN, "30 ms, 100 Mbit/s a connection, 1 Gbit/s: all connections from the start, no tail", {"": 1.05}),
    "wan": (1, 64 * MIB, "--rtt 100ms --rate 200mbit --loss 0.1%", "100 ms, 0.1% loss, 200 Mbit/s: many connections decide", {"": 1.4}),
    "far": (4000, 4096, LAN, "4,000 x 4 KiB at 30 ms: requests in flight decide", {"curl": 1.5}),
}

# CPU seconds of usher for 1,000 small files, and of its backend for 10,000, at most.
CLIENT_CPU, BACKEND_CPU = 0.17, 0.9

# Peers that are Go modules, for --install.
MODULES = {
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
    "rclone": "github.com/rclone/rclone@v1.76.0",
    "mc": "github.com/minio/mc@v0.0.0-20250313080218-cf909e1063a9",
}
# How to install the others.
PACKAGES = {"aria2c": "apt install aria2", "aws": "apt install awscli", "curl": "apt install curl", "s5cmd": "see github.com/peak/s5cmd"}

# name: (command for one big object, command for many). Peers run with the best
# options of their manuals, and without options in the rows "-default".
CURL16 = ("sh -c 'size={size}; n=16; part=$(( (size+n-1)/n )); : >{file}; i=0; while [ $i -lt $n ]; do a=$((i*part)); "
          "( dd if=/dev/null bs=$part seek=$i count=0 status=none; exec curl -sSf -r $a-$((a+part-1)) \"{url}\" ) 1<>{file} & i=$((i+1)); done; wait'")
RCLONE = "rclone copy --multi-thread-streams 16 --multi-thread-chunk-size 16M --multi-thread-cutoff 16M --use-server-modtime"
AWS = "aws s3 cp --only-show-errors --endpoint-url {endpoint}"
SDK = "{tool} sdk -endpoint {endpoint} -n {n} -size {size}"
ROWS = {
    "usher": ("{usher} get {bucket}/{key} -o {out}/", "{usher} get {bucket}/{prefix} -o {out}/"),
    "raw": ("{tool} raw -c 16 {url} {file}", "{tool} raw -c 64 -list {urls} {out}"),
    "raw-more": ("{tool} raw -c 64 -part 2097152 {url} {file}", "{tool} raw -c 256 -list {urls} {out}"),
    "curl": (CURL16, "curl -sSf -Z --parallel-max 64 -K {curlrc}"),
    "aria2c": ("aria2c -q -x16 -s16 -k4M --file-allocation=falloc --disk-cache=64M -d {out} -o {name} {url}",
               "aria2c -q -j 64 --file-allocation=none -d {out} -i {aria2in}"),
    "rclone": (RCLONE + " s3:{bucket}/{key} {out}", RCLONE + " --transfers 64 --checkers 64 --no-check-dest s3:{bucket}/{prefix} {out}"),
    "aws": ("env AWS_CONFIG_FILE={work}/aws.ini " + AWS + " s3://{bucket}/{key} {file}",
            "env AWS_CONFIG_FILE={work}/aws.ini " + AWS + " --recursive s3://{bucket}/{prefix} {out}"),
    "aws-default": (AWS + " s3://{bucket}/{key} {file}", AWS + " --recursive s3://{bucket}/{prefix} {out}"),
    "mc": ("mc --quiet cp b/{bucket}/{key} {file}", "mc --quiet cp -r b/{bucket}/{prefix} {out}/"),
    "sdk": (SDK + " -c 16 -part 16777216 {out}", SDK + " -j 64 -part 16777216 {out}"),
    "sdk-default": (SDK + " {out}", SDK + " {out}"),
    "s5cmd": ("s5cmd --log error --endpoint-url {endpoint} cp -c 16 -p 16 s3://{bucket}/{key} {file}",
              "s5cmd --log error --endpoint-url {endpoint} cp s3://{bucket}/{prefix}* {out}/"),
}


def absent(program):
    """Why a row cannot run."""
    way = f"bench.py --install, or go install {MODULES[program]}" if program in MODULES else PACKAGES.get(program, "not in PATH")
    return f"absent: {way}"


def install():
    """Builds the peers that are Go modules and are not there yet."""
    os.makedirs(f"{CACHE}/bin", exist_ok=True)
    for program, module in MODULES.items():
        if not shutil.which(program, path=PATH):
            log("building", module)
            if subprocess.run(["go", "install", "-trimpath", module], env={**os.environ, "GOBIN": f"{CACHE}/bin"}, cwd=CACHE).returncode:
                log(f"{program} could not be built")


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def environment(work, endpoint, key, secret):
    """The environment of every program: keys, no proxy, and a home of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RCLONE_", "MC_", "XDG_", "USHER_")) and not k.lower().endswith("_proxy")}
    env.update(PATH=PATH, HOME=f"{work}/home", XDG_CONFIG_HOME=f"{work}/home/config", XDG_STATE_HOME=f"{work}/home/state",
               AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true",
               MC_HOST_b=endpoint.replace("://", f"://{key}:{secret}@"), MC_CONFIG_DIR=f"{work}/home/mc", RCLONE_CONFIG_S3_TYPE="s3",
               RCLONE_CONFIG_S3_PROVIDER="Other", RCLONE_CONFIG_S3_ACCESS_KEY_ID=key, RCLONE_CONFIG_S3_SECRET_ACCESS_KEY=secret,
               RCLONE_CONFIG_S3_ENDPOINT=endpoint, RCLONE_CONFIG_S3_REGION="us-east-1")
    return env


class Servers:
    """versitygw, and usher's pool and backend, all on 127.0.0.1.

    In a scenario over a link they run in the namespace srv. In the namespace
    cli, 127.0.0.1 is removed from lo and routed over the link. The servers then
    have the same address in every scenario, and usher accepts plain HTTP, which
    it allows for loopback only."""

    def __init__(self, a, link):
        self.a, self.link, self.procs = a, link, []
        self.cli, self.srv = (["ip", "netns", "exec", "cli"], ["ip", "netns", "exec", "srv"]) if link else ([], [])

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def start(self):
        if self.link:
            subprocess.run([f"{RIG}/linkem.sh", "up", *self.link.split()], check=True)
            for ns in "cli", "srv":  # allow packets from and to 127.0.0.1 on the link
                self.sh(ns, "sysctl -qw net.ipv4.conf.em0.route_localnet=1")
            for cmd in ("ip addr del 127.0.0.1/8 dev lo", "ip route add 127.0.0.1/32 dev em0 src 198.18.0.1 congctl cubic"):
                self.sh("cli", cmd)
            self.sh("srv", "ip link set lo up")
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        shutil.rmtree(f"{self.a.work}/usher", ignore_errors=True)
        backend = self.spawn(self.a.tool, "serve", "-dir", f"{self.a.work}/usher", "-s3", f"http://{self.host}", stdout=subprocess.PIPE)
        line = backend.stdout.readline()
        if not line:
            sys.exit(f"usher's backend did not start; see {self.a.work}/serve.log")
        at = json.loads(line)
        self.spawn("versitygw", "--port", self.host, "--access", at["key"], "--secret", at["secret"], "--quiet", "--keep-alive", "posix", f"{self.a.work}/data")
        self.wait(port)
        self.env = environment(self.a.work, f"http://{self.host}", at["key"], at["secret"])
        self.sign_in(at)
        return self

    def sign_in(self, at):
        shutil.rmtree(f"{self.a.work}/home", ignore_errors=True)
        os.makedirs(f"{self.a.work}/home")
        for args, stdin in (["configure", "--yes", at["server"]], ""), (["login", "--username", at["username"], "--password-stdin"], at["password"]):
            r = subprocess.run([*self.cli, self.a.usher, *args], env=self.env, input=stdin + "\n", text=True, capture_output=True)
            if r.returncode:
                sys.exit(f"usher {args[0]}: {r.stderr}")

    @staticmethod
    def sh(ns, cmd):
        subprocess.run(["ip", "netns", "exec", ns, *cmd.split()], check=True)

    def spawn(self, *cmd, stdout=None):
        out = open(f"{self.a.work}/{'serve' if cmd[0] == self.a.tool else cmd[0]}.log", "wb")
        p = subprocess.Popen([*self.srv, *cmd], env={**os.environ, "PATH": PATH}, stdin=subprocess.DEVNULL, stdout=stdout or out, stderr=out)
        self.procs.append(p)
        return p

    def wait(self, port):
        probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        for _ in range(100):
            if subprocess.run([*self.cli, sys.executable, "-c", probe], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit(f"versitygw does not respond; see {self.a.work}/versitygw.log")

    def __exit__(self, *_):
        for p in reversed(self.procs):
            p.terminate()
            p.wait()
        if self.link:
            subprocess.run([f"{RIG}/linkem.sh", "down"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def cpu(self):
        """CPU seconds of usher's backend and of versitygw so far."""
        used = []
        for p in self.procs:
            f = open(f"/proc/{p.pid}/stat").read().rsplit(")", 1)[1].split()
            used.append((int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK"))
        return used


    def requests(self):
        """The number of requests to usher's backend so far."""
        return int(open(f"{self.a.work}/usher/requests").read())


def prepare(a, w, n, size):
    """Uploads a scenario's objects once, and returns the values for the rows' commands and the check command."""
    prefix = f"{n}x{size}/"
    spec = ["-endpoint", f"http://{w.host}", "-n", str(n), "-size", str(size)]
    if not os.path.exists(f"{a.work}/{prefix[:-1]}.done"):
        log("uploading", prefix)
        subprocess.run([*w.srv, a.tool, "put", *spec], env=w.env, check=True)
        open(f"{a.work}/{prefix[:-1]}.done", "w").close()
    urls = subprocess.run([a.tool, "urls", *spec], env=w.env, check=True, text=True, capture_output=True).stdout.split()
    names = [f"o{i:05d}.bin" for i in range(n)]
    lists = {"urls": urls, "curlrc": [f'url="{u}"\noutput="{a.out}/{x}"' for u, x in zip(urls, names)],
             "aria2in": [f"{u}\n out={x}" for u, x in zip(urls, names)]}
    v = {"usher": a.usher, "tool": a.tool, "work": a.work, "endpoint": f"http://{w.host}", "bucket": BUCKET, "prefix": prefix, "key": prefix + names[0],
         "n": n, "size": size, "url": urls[0], "name": names[0], "out": a.out, "file": f"{a.out}/{names[0]}"}
    for name, lines in lists.items():
        v[name] = f"{a.work}/{name}.txt"
        with open(v[name], "w") as f:
            f.write("\n".join(lines) + "\n")
    return v, [a.tool, "check", "-n", str(n), "-size", str(size), a.out]


def run(a, w, command, check):
    """Runs one row once and returns its cost, or {"error"}."""
    program = next(x for x in command if x != "env" and "=" not in x)
    if not shutil.which(program, path=PATH):
        return {"error": absent(program)}
    shutil.rmtree(a.out, ignore_errors=True)
    os.makedirs(a.out)
    took, before, asked = f"{a.work}/took.json", w.cpu(), w.requests()
    with open(f"{a.work}/stderr.txt", "wb+") as err:
        p = subprocess.Popen([*w.cli, a.tool, "run", took, *command], env=w.env, cwd=a.work, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=err, start_new_session=True)
        try:
            p.wait(a.timeout)
        except BaseException as e:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            if not isinstance(e, subprocess.TimeoutExpired):
                raise
            return {"error": f"not done in {a.timeout:.0f} s"}
        err.seek(0)
        tail = err.read()[-200:].decode(errors="replace").strip()
    x = json.load(open(took)) if p.returncode == 0 else {"exit": p.returncode}
    if x["exit"]:
        return {"error": f"exit {x['exit']:.0f}: {tail}"}
    c = subprocess.run(check, capture_output=True, text=True)
    if c.returncode:
        return {"error": c.stderr.strip()}
    x["servers"], x["requests"] = [after - b for after, b in zip(w.cpu(), before)], w.requests() - asked
    return x


def measure(a, name):
    n, size, link, _, _ = SCENARIOS[name]
    n, size = (n, int(size * a.scale)) if n == 1 else (max(1, int(n * a.scale)), size)
    runs = {r: [] for r in ROWS if not a.rows or r in a.rows.split(",")}
    with Servers(a, link) as w:
        values, check = prepare(a, w, n, size)
        os.makedirs(a.out, exist_ok=True)
        with open(f"{a.out}/warm", "wb") as f:  # so that the first run does not allocate memory
            for _ in range(n * size // MIB):
                f.write(bytes(MIB))
        for folder, _, names in os.walk(f"{a.work}/data/{BUCKET}/{n}x{size}"):  # nor read the server's disk
            for x in names:
                with open(f"{folder}/{x}", "rb") as f:
                    while f.read(MIB):
                        pass
                for attribute in os.listxattr(f"{folder}/{x}"):  # ETags and checksums
                    os.getxattr(f"{folder}/{x}", attribute)
        order = list(runs)
        for i in range(a.rounds):
            for r in order[i * 5 % len(order):] + order[:i * 5 % len(order)]:
                if any("error" in x for x in runs[r]):
                    continue  # a row with an error is not repeated; the table shows the error
                x = run(a, w, shlex.split(ROWS[r][n > 1].format(**values)), check)
                runs[r].append(x)
                log(f"{name} {i + 1} {r}: " + (x.get("error") or f"{x['seconds']:.2f} s, cpu {x['cpu']:.2f} s"))
    shutil.rmtree(a.out, ignore_errors=True)
    return n, size, runs


def table(name, n, size, runs):
    link, purpose, goals = SCENARIOS[name][2:]
    good = {r: x for r, x in runs.items() if x and "error" not in x[-1]}
    med = {r: statistics.median(y["seconds"] for y in x) for r, x in good.items()}
    peers = {r: s for r, s in med.items() if r != "usher" and not r.startswith("raw")}
    peer, ceiling = min(peers, key=peers.get, default=None), min((s for r, s in med.items() if r.startswith("raw")), default=None)
    many, unit = size < MIB, n if size < MIB else n * size / 1e6
    print(f"\n## {name}: {purpose}\n\n{n} x {size} bytes, {link or 'loopback'}, {max(map(len, runs.values()))} rounds\n")
    print(f"| row | {'files/s' if many else 'MB/s'} | min..max | best | ceil | cpu s/{'1000 files' if many else 'GiB'} | peak MiB | servers' cpu s |\n|---|---|---|---|---|---|---|---|")
    for r in sorted(runs, key=lambda r: med.get(r, 1e9)):
        if r not in med:
            print(f"| {r} | {' '.join(runs[r][-1]['error'].split())} | | | | | | |")
            continue
        x = good[r]
        cpu = statistics.median(y["cpu"] for y in x) / (n / 1000 if many else n * size / 2**30)
        ratio = lambda base: f"{base / med[r]:.2f}" if base else "-"
        print(f"| {r} | {unit / med[r]:.0f} | {unit / max(y['seconds'] for y in x):.0f}..{unit / min(y['seconds'] for y in x):.0f} | {ratio(peers.get(peer))} | {ratio(ceiling)} "
              f"| {cpu:.2f} | {max(y['peak_mib'] for y in x):.0f} | {' + '.join(f'{statistics.median(s):.2f}' for s in zip(*(y['servers'] for y in x)))} |")
    if "usher" in med and many:
        asked = max(y["requests"] for y in good["usher"])
        print(f"\nusher's backend got {asked} requests, {asked / n * 1000:.2f} for 1,000 files, wanted 2.00: {'reached' if asked * 1000 <= 2 * n else 'missed'}.")
    if "usher" in med:
        for names, goal in goals.items():
            some = {r: t for r, t in peers.items() if not names or r in names.split()}
            if some:
                best = min(some, key=some.get)
                got = some[best] / med["usher"]
                print(f"\nusher compared with {best}: {got:.2f}, wanted {goal:.2f}: {'reached' if got >= goal else 'missed'}.")
        if many:
            cpu = statistics.median(y["cpu"] for y in good["usher"]) / n * 1000
            backend = statistics.median(y["servers"][0] for y in good["usher"]) / n * 10000
            print(f"\nusher's CPU: {cpu:.2f} s for 1,000 files, wanted {CLIENT_CPU}; its backend's: {backend:.2f} s for 10,000 files, wanted {BACKEND_CPU}.")
    sys.stdout.flush()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--scenario", default=",".join(SCENARIOS), help="comma-separated (default: all)")
    p.add_argument("--rows", default="", help="rows to run, comma-separated (default: all)")
    p.add_argument("--scale", type=float, default=1, help="factor for sizes and numbers of objects (default: 1)")
    p.add_argument("--rounds", type=int, default=3, help="runs of each row (default: 3)")
    p.add_argument("--timeout", type=float, default=120, help="limit of one run in seconds (default: 120)")
    p.add_argument("--work", default="/var/tmp/usher-bench", help="objects, audit log, scratch files (default: %(default)s)")
    p.add_argument("--out", default="/dev/shm/usher-bench", help="directory of the downloads; in memory, so that the disk is not measured (default: %(default)s)")
    p.add_argument("--usher", help="program to measure (default: built from this tree)")
    p.add_argument("--json", help="file for the results of all runs")
    p.add_argument("--list", action="store_true", help="show scenarios and rows")
    p.add_argument("--install", action="store_true", help="build the peers that are Go modules first")
    a = p.parse_args()
    if a.list:
        for name, s in SCENARIOS.items():
            print(f"{name}: {s[3]} ({s[2] or 'loopback'})")
        for name, (one, many) in ROWS.items():
            print(f"{name}:\n  one:  {one}\n  many: {many}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that servers and link are removed
    a.work, a.out = os.path.abspath(a.work), os.path.abspath(a.out)
    os.makedirs(f"{a.work}/data/{BUCKET}", exist_ok=True)
    with open(f"{a.work}/aws.ini", "w") as f:
        f.write("[default]\ns3 =\n  max_concurrent_requests = 32\n  multipart_chunksize = 16MB\n  max_queue_size = 10000\n")
    if a.install:
        install()
    if not shutil.which("versitygw", path=PATH):
        sys.exit(f"versitygw is {absent('versitygw')}")
    a.tool = f"{a.work}/tool"
    subprocess.run(["go", "build", "-mod=mod", "-o", a.tool, "."], cwd=HERE, check=True)  # also beside newer dependencies of usher
    if not a.usher:
        a.usher = f"{a.work}/usher-program"
        subprocess.run(["go", "build", "-trimpath", "-o", a.usher, "."], cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    a.usher = os.path.abspath(a.usher)
    everything, began = {}, time.time()
    for name in a.scenario.split(","):
        if SCENARIOS[name][2] and not (os.path.exists(f"{RIG}/linkem.sh") and os.geteuid() == 0):
            print(f"\n## {name}: left out: it needs root and BENCH_RIG (see --help)")
            continue
        try:
            n, size, runs = measure(a, name)
        except (subprocess.CalledProcessError, OSError) as e:  # the other scenarios still run
            print(f"\n## {name}: failed: {e}", flush=True)
            continue
        everything[name] = {"objects": n, "size": size, "runs": runs}
        table(name, n, size, runs)
        if a.json:
            with open(a.json, "w") as f:
                json.dump(everything, f, indent=1)
    log(f"done after {(time.time() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
