"""The peers: HAProxy as it comes and with forced splice, nginx, and whatever the command line names.

Each in TCP mode on one thread, with the options that the comparison is quoted with.
"""

import os
import re
import shlex
from pathlib import Path
from shutil import which

from targets import Target, addresses, output_of

NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def find(program):
    return which(program) or which(program, path="/usr/sbin")


class Installed(Target):
    """A program of the host's, which tells its version by -v."""

    def __init__(self, directory, binary):
        super().__init__(directory)
        self.binary = binary

    def version(self):
        return (output_of([self.binary, "-v"]).splitlines() or [""])[0].strip()


class Haproxy(Installed):
    name = "haproxy"
    tuning = ""
    options = ""

    def version(self):
        library = re.search(r"^Running on \S+ version : (\S+ \S+)", output_of([self.binary, "-vv"]), re.MULTILINE)
        return super().version() + (f" with {library[1]}" if library else "")

    def commands(self, broker_ports):
        listener = f" ssl crt {self.directory / 'side.pem'}" if self.listener_tls else ""
        upstream = ""
        if self.upstream_tls:
            authority = self.directory / "ca.crt"
            upstream = f" ssl verify required ca-file {authority} verifyhost localhost sni str(localhost)"
        text = ("global\n  nbthread 1\n  maxconn 4000\n  tune.bufsize 16384\n" + self.tuning +
                "defaults\n  mode tcp\n  timeout connect 600s\n  timeout client 600s\n  timeout server 600s\n" +
                self.options)
        for number, (port, broker_port) in enumerate(zip(self.ports, broker_ports)):
            text += (f"listen kafka{number}\n  bind 127.0.0.1:{port}{listener}\n"
                     f"  server broker{number} 127.0.0.1:{broker_port}{upstream}\n")
        configuration = self.directory / f"{self.name}.cfg"
        configuration.write_text(text)
        return [([self.binary, "-db", "-f", configuration], os.environ)]


class HaproxySplice(Haproxy):
    """Splices always (`splice-auto` does nothing on fast connections), over pipes of 1 MiB."""

    name = "haproxy-splice"
    tuning = "  tune.pipesize 1048576\n"
    options = "  option splice-request\n  option splice-response\n"
    speaks_tls = False  # what is encrypted by a process cannot be spliced


class Nginx(Installed):
    name = "nginx"
    speaks_tls = False

    def commands(self, broker_ports):
        text = (f"{f'load_module {NGINX_MODULE};' if NGINX_MODULE.exists() else ''}\n"
                f"daemon off;\nmaster_process off;\nworker_processes 1;\npid {self.directory}/nginx.pid;\n"
                "worker_rlimit_nofile 16384;\nevents { worker_connections 8192; }\n"
                "stream {\n  proxy_buffer_size 64k;\n  tcp_nodelay on;\n  proxy_timeout 600s;\n")
        for port, broker_port in zip(self.ports, broker_ports):
            text += (f"  server {{ listen 127.0.0.1:{port} backlog=4096; proxy_pass 127.0.0.1:{broker_port}; }}\n")
        configuration = self.directory / "nginx.conf"
        configuration.write_text(text + "}\n")
        errors = self.directory / "nginx-error.log"
        return [([self.binary, "-p", self.directory, "-e", errors, "-c", configuration], os.environ)]


class NotAPeer(ValueError):
    """What the command line says of a peer has another form."""


class Named(Target):
    """A proxy from the command line: --peer 'name=NAME[,rewrites=yes],command=PROGRAM AND ARGUMENTS'.

    In the arguments {listen} and {upstream} are HOST:PORT, {listen_port} and {upstream_port} the ports alone,
    {directory} one for its files. With several brokers it is started once for each; one that rewrites addresses
    itself is started once, for the first.
    """

    speaks_tls = False

    def __init__(self, directory, text):
        super().__init__(directory)
        options, found, command = text.partition("command=")
        settings = dict(part.split("=", 1) for part in options.split(",") if "=" in part)
        if not found or not command.strip() or not settings.get("name") or settings.keys() - {"name", "rewrites"}:
            raise NotAPeer("a peer is written name=NAME[,rewrites=yes],command=PROGRAM AND ARGUMENTS, not " + text)
        self.name = settings["name"]
        self.rewrites_addresses = settings.get("rewrites") == "yes"
        self.words = shlex.split(command)

    def version(self):
        return " ".join(self.words)

    def commands(self, broker_ports):
        made = []
        for port, broker_port in zip(self.ports, broker_ports):
            values = {"listen": addresses([port]), "upstream": addresses([broker_port]), "listen_port": port,
                      "upstream_port": broker_port, "directory": self.directory}
            made.append(([word.format(**values) for word in self.words], os.environ))
        return made[:1] if self.rewrites_addresses else made
