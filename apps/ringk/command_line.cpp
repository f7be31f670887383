#include "command_line.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <ringkernel/nearest_name.hpp>
#include <ringkernel/version.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"

namespace ringk {
namespace {

constexpr const char* kDescription =
    "Runs a topology: a graph of kernels, long-lived actors that handle small messages.";

const Command* find_command(std::string_view name) {
  for (const Command& command : commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

// The first argument that is no option, nor the value of one.
std::string first_word(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--color") {
      ++i;
    } else if (!arguments[i].starts_with("-")) {
      return arguments[i];
    }
  }
  return {};
}

std::string overview() {
  std::string text = "usage: ringk COMMAND [OPTION...]\n\n";
  text += kDescription;
  text += "\n";
  std::string_view group;
  for (const Command& command : commands()) {
    if (group != command.group) text += "\n";
    std::string line = group == command.group ? "" : command.group;
    group = command.group;
    line.resize(10, ' ');
    line += command.name;
    line.resize(21, ' ');
    text += line + command.summary + "\n";
  }
  text +=
      "\nringk COMMAND --help tells more about one; ringk --version which ringk this is.\n"
      "--color auto|always|never and -h, --help go with every command.\n"
      "man ringk, man ringk-topology: everything.\n";
  return text;
}

ExitCode unknown_command(const Console& console, const std::string& name) {
  std::vector<std::string> known{"help"};
  for (const Command& command : commands()) known.emplace_back(command.name);
  const std::string meant = ringkernel::nearest_name(name, known);
  return console.misused("there is no command '" + name + "'" +
                             (meant.empty() ? "" : ": did you mean '" + meant + "'?"),
                         "");
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

class CommandLine {
 public:
  CommandLine() : app_(kDescription, "ringk") {
    app_.set_help_flag("-h,--help", "how it is used");
    app_.require_subcommand(1);
    app_.add_option("--color", colour_, "auto, always or never")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->type_name("WHEN");
    for (const Command& command : commands()) {
      CLI::App* sub = app_.add_subcommand(command.name, command.summary);
      sub->fallthrough();
      actions_[sub] = command.declare(*sub);
    }
  }

  ExitCode run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    try {
      app_.parse(arguments);
    } catch (const CLI::CallForHelp&) {
      return console_.data(chosen() ? chosen()->help("ringk") : overview());
    } catch (const CLI::ExtrasError&) {
      return unexpected();
    } catch (const CLI::ParseError& error) {
      return console_.misused(sentence(error), chosen() ? chosen()->get_name() : "");
    }
    console_.choose_colour(colour_ == "always"  ? ColourChoice::Always
                           : colour_ == "never" ? ColourChoice::Never
                                                : ColourChoice::Auto);
    return actions_.at(chosen())(console_);
  }

 private:
  CLI::App* chosen() {
    const auto parsed = app_.get_subcommands();
    return parsed.empty() ? nullptr : parsed.front();
  }

  ExitCode unexpected() {
    const std::vector<std::string> rest = app_.remaining(true);
    const std::string first = rest.empty() ? "" : rest.front();
    const std::string command = chosen() ? chosen()->get_name() : "";
    if (!first.starts_with("-")) return console_.misused("unexpected '" + first + "'", command);
    const std::string option = first.substr(0, first.find('='));
    const std::string meant =
        chosen() ? ringkernel::nearest_name(option, option_names(*chosen())) : "";
    return console_.misused("there is no option '" + option + "'" +
                                (meant.empty() ? "" : ": did you mean '" + meant + "'?"),
                            command);
  }

  static std::string sentence(const CLI::ParseError& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  }

  Console console_;
  CLI::App app_;
  std::string colour_ = "auto";
  std::map<const CLI::App*, Action> actions_;
};

ExitCode dispatch(std::vector<std::string> arguments) {
  const Console console;
  if (arguments.empty()) {
    (void)console.misused("no command is given", "");
    return ExitCode::Usage;
  }
  if (arguments.front() == "--version" || arguments.front() == "-V") {
    return console.data("ringk " + std::string(ringkernel::version()) + "\n");
  }
  std::string word = first_word(arguments);
  if (word == "help") {
    arguments.erase(std::find(arguments.begin(), arguments.end(), word));
    word = first_word(arguments);
    if (word.empty()) return console.data(overview());
    arguments = {word, "--help"};
  }
  const bool wants_help = std::any_of(arguments.begin(), arguments.end(), [](const auto& argument) {
    return argument == "-h" || argument == "--help";
  });
  if (word.empty() && !wants_help) {
    return console.misused("there is no command in '" + arguments.front() + "'", "");
  }
  if (!word.empty() && !find_command(word)) return unknown_command(console, word);
  return CommandLine().run(std::move(arguments));
}

// The next file that is opened would take the number of a standard stream that the caller closed,
// and get what is meant for that. What holds its place fails as a closed one does: it cannot be
// read or written. Standard error may fail unheard.
void hold_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // open() gives the lowest number that is free: this one.
    [[maybe_unused]] const int held =
        open("/dev/null", stream == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  hold_closed_streams();
  // A reader that goes away is an exit code, not a death in the middle of something.
  std::signal(SIGPIPE, SIG_IGN);
  const int count = argc > 0 ? argc - 1 : 0;
  return static_cast<int>(dispatch(std::vector<std::string>(argv + (argc - count), argv + argc)));
}

}  // namespace ringk
