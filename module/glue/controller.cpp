#include "glue/controller.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <glog/logging.h>

#include <process/after.hpp>
#include <process/defer.hpp>
#include <process/dispatch.hpp>
#include <process/id.hpp>
#include <process/process.hpp>

#include "glue/call.hpp"
#include "glue/journal.hpp"
#include "glue/usage.hpp"
#include "policy/guard.hpp"
#include "policy/pace.hpp"
#include "transport/wire.hpp"

namespace estimatord {

using mesos::ResourceUsage;
using mesos::slave::QoSCorrection;
using process::Future;

using Corrections = std::list<QoSCorrection>;

namespace {

// The daemon answers a long poll after this long at the latest (agent.proto).
constexpr milliseconds kLongPoll{10000};

// Most refusals of one list that have a line of their own.
constexpr std::size_t kRefusalsLogged = 10;

}  // namespace

// The actor: everything below runs on it, one at a time, and never waits.
class ControllerProcess : public process::Process<ControllerProcess> {
 public:
  ControllerProcess(
      const Settings& settings,
      std::shared_ptr<Channel> channel,
      const lambda::function<Future<ResourceUsage>()>& usage)
    : ProcessBase(process::ID::generate("estimatord-qos-controller")),
      settings_(settings),
      channel_(std::move(channel)),
      usage_(usage),
      journal_("estimatord: corrections") {}

  Future<Corrections> corrections() {
    const Clock::time_point asked = Clock::now();
    return within(usage_(), settings_.timeout)
        .then(process::defer(
            self(), [this, asked](const Option<ResourceUsage>& usage) {
              return ask(asked, usage);
            }));
  }

 protected:
  // The call in flight has nobody to answer to any more.
  void finalize() override { inFlight_.discard(); }

 private:
  Future<Corrections> ask(
      Clock::time_point asked, const Option<ResourceUsage>& usage) {
    std::string bytes;
    if (usage.isNone() || !usage.get().SerializeToString(&bytes)) {
      return nothing(asked, "the agent did not say its usage");
    }
    inFlight_ = call(
        channel_, Method::kCorrections, bytes, kLongPoll + settings_.timeout);
    return inFlight_.then(
        process::defer(self(), [this, asked](const Outcome& outcome) {
          return answer(asked, outcome);
        }));
  }

  Future<Corrections> answer(
      Clock::time_point asked, const Outcome& outcome) {
    std::vector<std::string> messages;
    std::string error = outcome.error;
    if (!outcome.answered() ||
        !decodeCorrections(outcome.message, &messages, &error)) {
      return nothing(asked, error);
    }
    journal_.answered();
    pace_.answered();

    Corrections wanted;
    for (const std::string& message : messages) {
      QoSCorrection correction;
      // Fails as well when the required type is absent or unknown.
      if (correction.ParseFromString(message) &&
          correction.type() == QoSCorrection::KILL) {
        wanted.push_back(correction);
      } else {
        journal_.dropped("a correction that is not a KILL");
      }
    }
    if (wanted.empty()) {
      return give(wanted);
    }

    // The poll may have taken seconds: what counts is what is revocable now. If
    // the agent does not say in time, nothing is killed; the daemon asks again.
    return within(usage_(), settings_.timeout)
        .then(process::defer(
            self(),
            [this, asked, wanted](const Option<ResourceUsage>& usage) {
              return usage.isNone()
                         ? nothing(asked, "the agent did not say its usage")
                         : give(admitted(wanted, guardOf(usage.get())));
            }));
  }

  // The corrections that the guard lets through. What becomes of each is
  // logged.
  Corrections admitted(const Corrections& wanted, const Guard& guard) const {
    Corrections result;
    std::size_t refused = 0;
    for (const QoSCorrection& correction : wanted) {
      const Kill kill = killOf(correction);
      const std::string refusal = guard.refusal(kill);
      if (refusal.empty()) {
        LOG(INFO) << "estimatord: corrections: kill of " << describe(kill);
        result.push_back(correction);
      } else if (++refused <= kRefusalsLogged) {
        LOG(ERROR) << "estimatord: corrections: refused the kill of "
                   << describe(kill) << ": " << refusal;
      }
    }
    if (refused > kRefusalsLogged) {
      LOG(ERROR) << "estimatord: corrections: refused "
                 << refused - kRefusalsLogged << " more kills";
    }
    return result;
  }

  // An empty list, after a pause.
  Future<Corrections> nothing(
      Clock::time_point asked, const std::string& error) {
    journal_.failed(error, "nothing is corrected");
    return giveAfter(pace_.afterError(asked, Clock::now()), Corrections());
  }

  Future<Corrections> give(const Corrections& corrections) {
    return giveAfter(pace_.afterAnswer(Clock::now()), corrections);
  }

  Future<Corrections> giveAfter(
      milliseconds pause, const Corrections& corrections) {
    if (pause <= milliseconds::zero()) {
      pace_.gave(Clock::now());
      return corrections;
    }
    return process::after(toDuration(pause))
        .then(process::defer(self(), [this, corrections](const Nothing&) {
          pace_.gave(Clock::now());
          return corrections;
        }));
  }

  const Settings settings_;
  const std::shared_ptr<Channel> channel_;
  const lambda::function<Future<ResourceUsage>()> usage_;
  Pace pace_;
  Journal journal_;
  Future<Outcome> inFlight_;
};

Controller::Controller(
    const Settings& settings, std::shared_ptr<Channel> channel)
  : settings_(settings), channel_(std::move(channel)) {}

Controller::~Controller() {
  if (process_.get() != nullptr) {
    process::terminate(process_.get());
    process::wait(process_.get());
  }
}

Try<Nothing> Controller::initialize(
    const lambda::function<Future<ResourceUsage>()>& usage) {
  if (process_.get() != nullptr) {
    return Error("The estimatord QoS controller has already been initialized");
  }
  process_.reset(new ControllerProcess(settings_, channel_, usage));
  process::spawn(process_.get());
  return Nothing();
}

Future<Corrections> Controller::corrections() {
  if (process_.get() == nullptr) {
    // Not at once, or the agent would ask again at once.
    return process::after(toDuration(kLeastPause)).then([](const Nothing&) {
      return Corrections();
    });
  }
  return process::dispatch(process_.get(), &ControllerProcess::corrections);
}

}  // namespace estimatord
