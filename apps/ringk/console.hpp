// The command's three voices: data on standard output, sentences for people on standard error, and
// the exit code.
#pragma once

#include <ringkernel/error.hpp>
#include <ringkernel/exit_code.hpp>
#include <string>
#include <string_view>

namespace ringk {

using ringkernel::Error;
using ringkernel::ExitCode;
using ringkernel::Result;

enum class ColourChoice { Auto, Always, Never };

class Console {
 public:
  void choose_colour(ColourChoice choice) { choice_ = choice; }
  bool colour_data() const { return colour(1); }
  bool colour_messages() const { return colour(2); }

  // Writes data to standard output, at once. OutputClosed where its reader is gone, OutputError
  // where it cannot be written; the latter has been said.
  [[nodiscard]] ExitCode data(std::string_view text) const;

  // A line on standard error.
  void say(std::string_view text) const;
  void hint(std::string_view text) const;
  // Whole lines, as they are, on standard error.
  void report(std::string_view lines) const;
  // A line on a terminal's standard error that the next line of any kind takes the place of.
  void progress(std::string_view text);

  // Says the error and gives the exit code that fits its kind.
  [[nodiscard]] ExitCode failed(const Error& error) const;
  [[nodiscard]] ExitCode failed(ExitCode code, std::string_view text) const;
  // One line and where to find help.
  [[nodiscard]] ExitCode misused(std::string_view text, std::string_view command) const;

 private:
  bool colour(int descriptor) const;
  void write_message(std::string text) const;
  ColourChoice choice_ = ColourChoice::Auto;
  mutable bool progress_shown_ = false;
};

// What an error of talking to a running topology, or of launching one, means for the shell.
ExitCode exit_code_of(const Error& error);

}  // namespace ringk
