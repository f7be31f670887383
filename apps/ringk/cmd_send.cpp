#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "values.hpp"

namespace ringk {
namespace {

using ringkernel::Client;
using ringkernel::SendReport;
using ringkernel::SendRequest;

struct SendArguments {
  std::string target;
  std::vector<std::string> messages;
  std::string file;
  std::string wait;
  std::string timeout;
  bool reply = false;
};

// A message on the command line is one line, however it was written: outside of strings JSON takes
// a carriage return for a newline, and inside it refuses the one like the other.
std::string lines_of(const std::vector<std::string>& messages) {
  std::string lines;
  for (std::string message : messages) {
    std::replace(message.begin(), message.end(), '\n', '\r');
    lines += message + "\n";
  }
  return lines;
}

// As a line it would be skipped, and the sender told that all is well.
bool is_blank(const std::string& message) {
  return message.find_first_not_of(" \t\r\n") == std::string::npos;
}

void say_bad_lines(const Console& console, const SendReport& report) {
  for (const auto& bad : report.bad_lines) {
    std::string text = "line " + std::to_string(bad.line) + ": " + bad.reason;
    if (!bad.detail.empty()) text += ": " + bad.detail;
    console.say(text);
  }
  if (!report.bad_lines.empty() && report.bad > report.bad_lines.size()) {
    console.say("and " + std::to_string(report.bad - report.bad_lines.size()) + " more bad lines");
  }
}

std::string counts_text(const SendReport& report, bool requests) {
  std::string text = std::to_string(report.lines) + (report.lines == 1 ? " line, " : " lines, ") +
                     std::to_string(report.accepted) + " accepted, " + std::to_string(report.bad) +
                     " bad";
  if (requests) {
    text += ", " + std::to_string(report.replied) + " replied, " + std::to_string(report.failed) +
            " failed, " + std::to_string(report.unanswered) + " unanswered";
  }
  return text;
}

ExitCode verdict(const SendReport& report) {
  if (!report.stopped.empty()) return ExitCode::Unavailable;
  if (report.bad > 0 || report.failed > 0) return ExitCode::Failed;
  if (report.unanswered > 0) return ExitCode::TemporaryFail;
  return ExitCode::Ok;
}

ExitCode send(const SendArguments& options, Console& console) {
  const Target target = Target::parse(options.target);
  SendRequest request;
  request.input = target.part;
  request.until_handled = !options.wait.empty();
  request.limit = limit_of(options.timeout);
  int opened = -1;
  if (!options.messages.empty()) {
    request.messages = lines_of(options.messages);
  } else if (!options.file.empty() && options.file != "-") {
    request.source = opened = open(options.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (opened < 0) {
      return console.failed(ExitCode::NoInput, options.file + ": " + strerror(errno));
    }
  } else {
    request.source = STDIN_FILENO;
    if (isatty(STDIN_FILENO)) console.say("reading messages from the terminal; end with Ctrl-D");
  }
  ExitCode written = ExitCode::Ok;
  if (options.reply) {
    request.on_reply = [&](std::string_view reply) {
      written = console.data(std::string(reply) + "\n");
      return written == ExitCode::Ok;
    };
    request.on_unanswered = [&](std::string_view what) { console.say(what); };
  }
  auto client = connect(target.name, request.limit);
  if (!client) return console.failed(client.error());
  const auto report = client->send(request);
  if (opened >= 0) close(opened);
  if (written != ExitCode::Ok) return written;
  if (!report) {
    const bool source = report.error().code == ringkernel::ErrorCode::IoError;
    return source ? console.failed(ExitCode::NoInput, report.error().message)
                  : console.failed(report.error());
  }
  say_bad_lines(console, *report);
  console.say(options.target + ": " + counts_text(*report, options.reply));
  if (!report->stopped.empty()) console.say(report->stopped + " before it had taken all lines");
  return verdict(*report);
}

}  // namespace

Action declare_send(CLI::App& app) {
  const auto options = std::make_shared<SendArguments>();
  app.add_option("TARGET", options->target, "the topology, or one of its inputs: NAME/INPUT")
      ->required()
      ->check(check_target);
  app.add_option("MESSAGE", options->messages,
                 "messages, one JSON object each; without any, lines from standard input");
  app.add_option("--file", options->file, "read the lines from FILE ('-': standard input)")
      ->type_name("FILE");
  app.add_option("--wait", options->wait, "handled: return when all that was sent is handled")
      ->check(CLI::IsMember({"handled"}))
      ->type_name("handled");
  app.add_flag("--reply", options->reply, "send requests, and print each reply as a JSON line");
  app.add_option("--timeout", options->timeout,
                 "give up when nothing moves for so long; the time of each request (default 30s)")
      ->check(check_duration)
      ->type_name("DURATION");
  return [options](Console& console) {
    if (!options->messages.empty() && !options->file.empty()) {
      return console.misused("messages come from the command line or from --file, not both",
                             "send");
    }
    if (std::any_of(options->messages.begin(), options->messages.end(), is_blank)) {
      return console.misused("an empty message: give a JSON object, or none to read standard input",
                             "send");
    }
    return send(*options, console);
  };
}

}  // namespace ringk
