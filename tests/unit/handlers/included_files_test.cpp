#include "handlers/included_files.hpp"

#include "scratch.hpp"

using namespace ringkernel::handlers;
namespace fs = std::filesystem;

TEST_CASE("included files are found through each other, beside the includer and in the folders") {
  const Scratch scratch;
  fs::create_directories(scratch / "a/b");
  fs::create_directories(scratch / "lib");
  const std::string top = scratch.write("a/top.hpp", "#pragma once\n # include \"b/deep.hpp\"\n");
  const std::string deep = scratch.write("a/b/deep.hpp", "#include \"beside.hpp\"\n#include <x.h>");
  const std::string beside = scratch.write("a/b/beside.hpp", "#include \"../top.hpp\"\n");
  const std::string x = scratch.write("lib/x.h", "");
  const auto found = included_files("#include \"" + top + "\"\n#include <own_of_compiler>\n",
                                    {scratch / "nowhere", scratch / "lib"});
  CHECK(found.complete);
  CHECK(found.paths == std::vector<std::string>{top, deep, beside, x});
}

TEST_CASE("an include that no #if lets through counts; one that nobody can name is said") {
  const Scratch scratch;
  const std::string never = scratch.write("never.hpp", "");
  CHECK(included_files("#if 0\n#include <never.hpp>\n#endif\n", {scratch / ""}).paths.size() == 1);
  CHECK(!included_files("#include HEADER\n", {}).complete);
  CHECK(!included_files("#include \"nowhere.hpp\"\n", {}).complete);
  CHECK(included_files("// include \"x\"\n#define include 3\n", {}).complete);
}
