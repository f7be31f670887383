// What the readers of the sections share: the document, the findings so far, and typed access to
// values that reports what does not fit.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/key_table.hpp"
#include "topology/suggest.hpp"
#include "topology/topology.hpp"
#include "topology/value.hpp"

namespace ringkernel::topology {

class Reader {
 public:
  Reader(const Value& root, Topology& model, std::vector<Diagnostic>& findings)
      : document(root), topology(model), diagnostics(findings) {}

  const Value& document;
  Topology& topology;
  std::vector<Diagnostic>& diagnostics;
  // Kernels, inputs and outputs that are declared and wrong: nothing more is said of them.
  std::vector<std::string> broken;
  // Those with a wire that is wrong: that one is missing is not said as well.
  std::vector<std::string> touched;

  void error(const Position& position, std::string message, std::string code,
             std::string suggestion = {}, std::string note = {});
  void warning(const Position& position, std::string message, std::string code,
               std::string note = {});

  // Reports keys that the section does not have; false where the value is no map.
  bool check_keys(const Value& map, Section section, const std::string& what);

  // The value of a key, as a type; reports and gives nothing where it does not fit. Absent:
  // nothing.
  std::optional<std::string> text(const Value& map, std::string_view key);
  std::optional<bool> boolean(const Value& map, std::string_view key);
  std::optional<uint64_t> integer(const Value& map, std::string_view key, uint64_t least,
                                  uint64_t most);
  std::optional<Duration> duration(const Value& map, std::string_view key);
  std::optional<uint64_t> size(const Value& map, std::string_view key);
  // Index into the key's values in the table.
  std::optional<size_t> choice(const Value& map, Section section, std::string_view key);

  std::optional<Duration> as_duration(const Value& value);
  std::optional<uint64_t> as_integer(const Value& value, uint64_t least, uint64_t most);
  // Whether `number`, all of a scalar or what stands before its unit, is a number that JSON
  // would not spell so; reports it.
  bool misspelt_number(const Value& value, std::string_view number);
  schema::MessageTypePtr message(const Value& name);
  // The one of `ways` that the map has; reports none and more than one.
  std::optional<std::string> only_one(const Value& map, const Value::Key& of,
                                      const std::vector<std::string>& ways, const char* code);

  // A path that the file at `position` says, relative to that file.
  std::string resolve(const std::string& path, const Position& position) const;

  // Names of kernels, inputs and outputs share one namespace.
  bool check_name(const Value::Key& key, const char* what);
  bool is_broken(const std::string& name) const;
  bool is_touched(const std::string& name) const;
  bool has_errors() const;

  // A field that an input takes deadlines from.
  void check_deadline(const Value& field, const schema::MessageType& type);

  // A JSON object for one of `types` (by "type" where there are several and `tagged`), reported
  // where it does not fit.
  bool check_object(const Value& value, const std::vector<schema::MessageTypePtr>& types,
                    bool tagged, bool ignore_unknown);
};

void read_messages(Reader& reader);
void read_kernels(Reader& reader);
// REQUIRES: the kernel's constants are read.
void read_buffers(Reader& reader, const Value& value, Kernel& kernel);
// `value` has the defaults merged in; `own` is what the kernel says itself.
void check_kernel(Reader& reader, const Value& value, const Value& own, const Kernel& kernel);
void read_inputs(Reader& reader);
void read_outputs(Reader& reader);
void read_wires(Reader& reader);
void read_run(Reader& reader);
// Needs everything before it: what may travel where, what nothing reaches, what can deadlock.
void check_graph(Reader& reader);
// Need what travels where.
void check_ends(Reader& reader);
void read_values(Reader& reader);
// How to write a plain scalar that was to be a number, `detail` says, and is one in YAML only;
// else empty.
std::string number_advice(const Value& value, std::string_view detail);
// A message of a test's `expect`: each field that it lists is one of those that arrive, and fits.
void check_expected(Reader& reader, const Value& message,
                    const std::vector<schema::MessageTypePtr>& arriving, const std::string& tag);
void read_tests(Reader& reader);

}  // namespace ringkernel::topology
