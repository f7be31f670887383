#!/usr/bin/env python3
"""Checks who includes whom.

    device <- core <- schema <- handlers <- backends <- runtime <- launcher
    core, schema <- topology <- launcher
    apps include only include/ringkernel

One third-party library has one home, and no public header shows a third-party type but Result.
A public header belongs to the room that implements it (lib/src/<room>/<noun>.cpp); one without a
source belongs to the highest room among those it includes.

usage: check-includes.py [FOLDER]      the repository's top folder; default: this script's
"""

import re
import sys
from pathlib import Path

LAYERS = ["device", "core", "schema", "handlers", "backends", "runtime", "launcher"]
MAY_INCLUDE = {room: set(LAYERS[: i + 1]) for i, room in enumerate(LAYERS)}
MAY_INCLUDE["topology"] = {"device", "core", "schema", "topology"}
MAY_INCLUDE["launcher"].add("topology")
HEIGHT = {room: len(rooms) for room, rooms in MAY_INCLUDE.items()}

# The first part of a third-party include, and the only places that may say it.
HOMES = {
    "yaml-cpp": {"topology"},
    "simdjson.h": {"schema", "launcher"},
    "nlohmann": {"schema", "topology", "launcher"},
    "spdlog": {"launcher"},
    "prometheus": {"launcher"},
    "CLI": {"apps"},
    "tl": {"include/ringkernel/error.hpp"},
    "doctest": {"tests"},
    "boost": {"tests"},  # these four: peers of the benchmarks
    "caf": {"tests"},
    "concurrentqueue": {"tests"},
    "readerwriterqueue": {"tests"},
}
# Folders of the system's own C headers; a header without a folder is the language's or the system's.
SYSTEM = {"sys", "linux", "netinet", "arpa", "net", "asm"}
FORBIDDEN = {"cuda.h", "cuda_runtime.h", "cuda_runtime_api.h", "nvrtc.h"}  # opened with dlopen

# Namespaces of the same libraries: a public header must not show them either.
FOREIGN_NAME = re.compile(r"\b(CLI|YAML|fmt|nlohmann|prometheus|simdjson|spdlog|tl)::")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
SOURCES = {".hpp", ".h", ".cpp", ".cu"}


def includes(path):
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] == "<", match[2]


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in SOURCES) if folder.is_dir() else []


class Tree:
    def __init__(self, top):
        self.top = top
        self.public = top / "lib" / "include"
        self.source = top / "lib" / "src"
        self.rooms = {}
        self.errors = []

    def resolve(self, path, name):
        """The file of ours that `name` names, seen from `path`; None when it is not ours."""
        places = [path.parent, self.public, self.source]
        if self.top / "tests" in path.parents:
            places.append(self.top / "tests")
        for place in places:
            if (place / name).is_file():
                return (place / name).resolve()
        return None

    def room(self, path):
        if path in self.rooms:
            return self.rooms[path]
        self.rooms[path] = "device"  # for headers that include each other
        if self.source in path.parents:
            room = path.relative_to(self.source).parts[0]
        elif self.public / "ringkernel" / "device" in path.parents:
            room = "device"
        elif self.public in path.parents:
            room = self.room_of_public(path)
        else:
            room = path.relative_to(self.top).parts[0]
        self.rooms[path] = room
        return room

    def room_of_public(self, path):
        for room in LAYERS + ["topology"]:
            if (self.source / room / f"{path.stem}.cpp").is_file():
                return room
        below = [self.resolve(path, name) for _, _, name in includes(path)]
        rooms = [self.room(p) for p in below if p and p != path]
        return max([r for r in rooms if r in HEIGHT] + ["core"], key=HEIGHT.get)

    def complain(self, path, line, what):
        self.errors.append(f"{path.relative_to(self.top)}:{line}: {what}")

    def check(self, path):
        room = self.room(path)
        public = self.public in path.parents
        for line, angled, name in includes(path):
            target = self.resolve(path, name)
            if target:
                self.check_own(path, line, room, public, name, target)
            elif angled:
                self.check_foreign(path, line, room, public, name)
            else:
                self.complain(path, line, f'"{name}" is no file of this project')

        if public and path.name != "error.hpp":
            text = path.read_text(encoding="utf-8")
            for match in FOREIGN_NAME.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                self.complain(path, line, f"a public header shows {match[0]}, not Result")

    def check_own(self, path, line, room, public, name, target):
        if room == "tests":
            return
        if public and self.public not in target.parents:
            self.complain(path, line, f'a public header includes the private "{name}"')
        elif room == "apps":
            if self.public not in target.parents and self.top / "apps" not in target.parents:
                self.complain(path, line, f'an app includes "{name}", not of include/ringkernel')
        elif room not in MAY_INCLUDE:
            self.complain(path, line, f"'{room}' is no room this check knows")
        elif self.room(target) not in MAY_INCLUDE[room]:
            self.complain(path, line, f'{room} may not include "{name}" of {self.room(target)}')

    def check_foreign(self, path, line, room, public, name):
        first = name.split("/")[0]
        if name in FORBIDDEN and room != "tests":
            self.complain(path, line, f"<{name}>: the driver and NVRTC are declared by ourselves")
        elif first in HOMES:
            places = HOMES[first]
            here = {room, str(path.relative_to(self.top / "lib"))} if public else {room}
            if public and first != "tl":
                self.complain(path, line, f"<{name}> in a public header")
            elif room != "tests" and not places & here:
                self.complain(path, line, f"<{name}> outside its home ({', '.join(sorted(places))})")
        elif "/" in name and first not in SYSTEM:
            self.complain(path, line, f"<{name}>: a library without a home; give it one here")


def main():
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    top = Path(sys.argv[1] if len(sys.argv) == 2 else Path(__file__).parent.parent).resolve()
    tree = Tree(top)
    checked = [p for folder in ("apps", "lib", "tests") for p in files(top / folder)]
    if not checked:
        sys.exit(f"{top}: no sources found")
    for path in checked:
        tree.check(path)
    for error in tree.errors:
        print(error)
    if tree.errors:
        sys.exit(1)
    print(f"{len(checked)} files include what they may")


if __name__ == "__main__":
    main()
