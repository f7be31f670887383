#!/usr/bin/env python3
"""check-includes.py finds each kind of forbidden include, and lets the allowed ones be."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).resolve().parents[2] / "scripts" / "check-includes.py"


class CheckIncludes(unittest.TestCase):
    def check(self, tree):
        with tempfile.TemporaryDirectory() as top:
            for name, include in tree.items():
                path = Path(top) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(f"#include {i}\n" for i in include.split()))
            done = subprocess.run(
                [sys.executable, CHECK, top], capture_output=True, text=True, check=False
            )
            return done.returncode, done.stdout

    def refused(self, tree, *said):
        code, out = self.check(tree)
        self.assertEqual(code, 1, out)
        for words in said:
            self.assertIn(words, out)

    def test_lower_rooms_may_be_included(self):
        code, out = self.check(
            tree={
                "lib/src/core/a.hpp": "<vector>",
                "lib/src/schema/b.hpp": '"core/a.hpp"',
                "lib/src/topology/c.hpp": '"schema/b.hpp"',
                "lib/src/launcher/d.cpp": '"topology/c.hpp" <sys/socket.h>',
            }
        )
        self.assertEqual((code, out), (0, "4 files include what they may\n"))

    def test_a_higher_room_may_not(self):
        self.refused(
            {"lib/src/core/a.cpp": '"runtime/b.hpp"', "lib/src/runtime/b.hpp": ""},
            'lib/src/core/a.cpp:1: core may not include "runtime/b.hpp" of runtime',
        )

    def test_topology_and_handlers_do_not_know_each_other(self):
        self.refused(
            {
                "lib/src/topology/a.hpp": '"handlers/b.hpp"',
                "lib/src/handlers/b.hpp": '"topology/a.hpp"',
            },
            "topology may not include",
            "handlers may not include",
        )

    def test_a_public_header_has_the_room_of_its_source(self):
        self.refused(
            {
                "lib/include/ringkernel/runtime.hpp": "",
                "lib/src/runtime/runtime.cpp": '"ringkernel/runtime.hpp"',
                "lib/src/schema/a.cpp": '"ringkernel/runtime.hpp"',
            },
            "schema may not include",
        )

    def test_a_public_header_without_source_has_the_room_of_what_it_includes(self):
        self.refused(
            {
                "lib/include/ringkernel/runtime.hpp": "",
                "lib/include/ringkernel/all.hpp": '"ringkernel/runtime.hpp"',
                "lib/src/runtime/runtime.cpp": '"ringkernel/runtime.hpp"',
                "lib/src/core/a.cpp": '"ringkernel/all.hpp"',
            },
            'core may not include "ringkernel/all.hpp" of runtime',
        )

    def test_an_app_may_include_public_headers_only(self):
        self.refused(
            {"apps/ringk/main.cpp": '"core/a.hpp"', "lib/src/core/a.hpp": ""},
            "not of include/ringkernel",
        )

    def test_a_public_header_may_not_include_a_private_one(self):
        self.refused(
            {"lib/include/ringkernel/a.hpp": '"core/b.hpp"', "lib/src/core/b.hpp": ""},
            "a public header includes the private",
        )

    def test_third_party_libraries_stay_at_home(self):
        self.refused(
            {
                "lib/src/launcher/a.cpp": "<yaml-cpp/yaml.h>",
                "lib/src/runtime/b.cpp": "<nlohmann/json.hpp>",
                "lib/src/core/c.cpp": "<eigen/matrix.hpp>",
                "apps/ringk/d.cpp": "<nlohmann/json.hpp>",
                "lib/include/ringkernel/e.hpp": "<spdlog/spdlog.h>",
            },
            "a.cpp:1: <yaml-cpp/yaml.h> outside its home (topology)",
            "b.cpp:1: <nlohmann/json.hpp> outside",
            "c.cpp:1: <eigen/matrix.hpp>: a library without a home",
            "d.cpp:1: <nlohmann/json.hpp> outside",
            "e.hpp:1: <spdlog/spdlog.h> in a public header",
        )

    def test_the_cuda_toolkit_is_not_included(self):
        self.refused({"lib/src/backends/cuda/a.cpp": "<cuda.h>"}, "declared by ourselves")

    def test_expected_comes_through_error_hpp(self):
        code, _ = self.check(tree={"lib/include/ringkernel/error.hpp": "<tl/expected.hpp>"})
        self.assertEqual(code, 0)
        self.refused({"lib/src/core/a.cpp": "<tl/expected.hpp>"}, "outside its home")

    def test_a_public_header_shows_no_foreign_type(self):
        with tempfile.TemporaryDirectory() as top:
            path = Path(top) / "lib/include/ringkernel/a.hpp"
            path.parent.mkdir(parents=True)
            path.write_text("namespace ringkernel {\ntl::expected<int, int> f();\n}\n")
            done = subprocess.run(
                [sys.executable, CHECK, top], capture_output=True, text=True, check=False
            )
            self.assertEqual(done.returncode, 1)
            self.assertIn("a.hpp:2: a public header shows tl::", done.stdout)

    def test_a_file_that_is_not_there_is_named(self):
        self.refused({"lib/src/core/a.cpp": '"gone.hpp"'}, '"gone.hpp" is no file of this project')


if __name__ == "__main__":
    unittest.main()
