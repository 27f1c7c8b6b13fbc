// Makes calls through the transport as a test tells it to on standard input,
// one command a line, and says on standard output what came of each:
//
//   call <name> estimate|corrections <timeout ms> <file with a ResourceUsage>
//   cancel <name>
//   close                    destroys the channel
//   open                     makes a new one
//   exec <program>           runs a program and waits for it
//
//   done <name> answered <hex of each value of field 1, "-" if empty>...
//   done <name> undecodable <reason>
//   done <name> refused|unreachable|late|cancelled|malformed <status> <error>
//   ok | error <reason>      for close, open and exec
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "transport/channel.hpp"
#include "transport/wire.hpp"

namespace {

using estimatord::Channel;
using estimatord::Ending;
using estimatord::Method;
using estimatord::Outcome;

// Writes whole lines from any thread.
class Output {
 public:
  void line(const std::string& text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::cout << text << std::endl;
  }

 private:
  std::mutex mutex_;
};

std::string hex(const std::string& bytes) {
  static const char kDigits[] = "0123456789abcdef";
  if (bytes.empty()) {
    return "-";
  }
  std::string result;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    result.push_back(kDigits[byte >> 4]);
    result.push_back(kDigits[byte & 0xf]);
  }
  return result;
}

const char* name(Ending ending) {
  switch (ending) {
    case Ending::kAnswered:
      return "answered";
    case Ending::kRefused:
      return "refused";
    case Ending::kUnreachable:
      return "unreachable";
    case Ending::kLate:
      return "late";
    case Ending::kCancelled:
      return "cancelled";
    case Ending::kMalformed:
      return "malformed";
  }
  return "?";
}

std::string describe(Method method, const Outcome& outcome) {
  if (!outcome.answered()) {
    return std::string(name(outcome.ending)) + ' ' +
           std::to_string(outcome.status) + ' ' + outcome.error;
  }
  std::vector<std::string> values(1);
  std::string error;
  const bool decoded =
      method == Method::kEstimate
          ? estimatord::decodeEstimate(outcome.message, &values[0], &error)
          : estimatord::decodeCorrections(outcome.message, &values, &error);
  if (!decoded) {
    return "undecodable " + error;
  }
  std::string result = "answered";
  for (const std::string& value : values) {
    result += ' ' + hex(value);
  }
  return result;
}

bool readFile(const std::string& path, std::string* bytes) {
  std::ifstream file(path, std::ios::binary);
  bytes->assign(
      std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return file.good();
}

// Runs a program the way an agent runs an executor: fork and exec, leaving to
// close-on-exec what it inherits.
std::string run(const std::string& program) {
  const std::string command = "exec " + program;
  char* const argv[] = {
      const_cast<char*>("sh"),
      const_cast<char*>("-c"),
      const_cast<char*>(command.c_str()),
      nullptr};
  pid_t child = 0;
  int status = 0;
  if (posix_spawn(&child, "/bin/sh", nullptr, nullptr, argv, environ) != 0 ||
      waitpid(child, &status, 0) != child || status != 0) {
    return "error " + program + " failed";
  }
  return "ok";
}

class Driver {
 public:
  explicit Driver(const std::string& socket) { options_.socket = socket; }

  std::string open() {
    std::string error;
    channel_ = Channel::open(options_, &error);
    return channel_ == nullptr ? "error " + error : "ok";
  }

  std::string close() {
    channel_.reset();
    return "ok";
  }

  void call(std::istringstream& words) {
    std::string label;
    std::string rpc;
    long timeout = 0;
    std::string path;
    words >> label >> rpc >> timeout >> path;
    std::string usage;
    if (channel_ == nullptr || !readFile(path, &usage)) {
      output_.line("error no channel, or no file " + path);
      return;
    }
    const Method method =
        rpc == "estimate" ? Method::kEstimate : Method::kCorrections;
    ids_[label] = channel_->call(
        method,
        usage,
        std::chrono::milliseconds(timeout),
        [this, label, method](Outcome&& outcome) {
          output_.line("done " + label + ' ' + describe(method, outcome));
        });
  }

  void cancel(const std::string& label) {
    if (channel_ != nullptr) {
      channel_->cancel(ids_[label]);
    }
  }

  Output& output() { return output_; }

 private:
  estimatord::ChannelOptions options_;
  Output output_;
  std::map<std::string, Channel::CallId> ids_;
  std::unique_ptr<Channel> channel_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: driver SOCKET" << std::endl;
    return 2;
  }
  Driver driver(argv[1]);
  driver.output().line(driver.open());

  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "call") {
      driver.call(words);
    } else if (command == "cancel") {
      std::string label;
      words >> label;
      driver.cancel(label);
    } else if (command == "close") {
      driver.output().line(driver.close());
    } else if (command == "open") {
      driver.output().line(driver.open());
    } else if (command == "exec") {
      std::string program;
      std::getline(words, program);
      driver.output().line(run(program));
    } else {
      driver.output().line("error unknown command " + command);
    }
  }
  return 0;
}
