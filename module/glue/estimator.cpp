#include "glue/estimator.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <process/defer.hpp>
#include <process/dispatch.hpp>
#include <process/id.hpp>
#include <process/process.hpp>

#include "glue/call.hpp"
#include "glue/journal.hpp"
#include "glue/usage.hpp"
#include "policy/grace.hpp"
#include "policy/offer.hpp"
#include "transport/wire.hpp"

namespace estimatord {

using mesos::Resources;
using mesos::ResourceUsage;
using process::Future;

// The actor: everything below runs on it, one at a time, and never waits.
class EstimatorProcess : public process::Process<EstimatorProcess> {
 public:
  EstimatorProcess(
      const Settings& settings,
      std::shared_ptr<Channel> channel,
      const lambda::function<Future<ResourceUsage>()>& usage)
    : ProcessBase(process::ID::generate("estimatord-estimator")),
      settings_(settings),
      channel_(std::move(channel)),
      usage_(usage),
      grace_(settings.staleGrace),
      journal_("estimatord: estimate") {}

  Future<Resources> oversubscribable() {
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
  Future<Resources> ask(
      Clock::time_point asked, const Option<ResourceUsage>& usage) {
    std::string bytes;
    if (usage.isNone() || !usage.get().SerializeToString(&bytes)) {
      journal_.failed("the agent did not say its usage", "nothing is offered");
      return Resources();
    }
    const auto spent =
        std::chrono::duration_cast<milliseconds>(Clock::now() - asked);
    inFlight_ = call(
        channel_,
        Method::kEstimate,
        bytes,
        std::max(milliseconds(1), settings_.timeout - spent));
    const Amounts revocable = allocatedRevocable(usage.get());
    return inFlight_.then(
        process::defer(self(), [this, revocable](const Outcome& outcome) {
          return answer(outcome, revocable);
        }));
  }

  Resources answer(const Outcome& outcome, const Amounts& revocable) {
    const Clock::time_point now = Clock::now();
    if (outcome.passing()) {
      const Amounts amounts = grace_.standIn(now, revocable);
      journal_.failed(
          outcome.error,
          amounts.empty() ? "nothing is offered"
                          : "the last estimate stands in within stale_grace");
      return revocableResources(amounts);
    }

    std::string text;
    std::string error = outcome.error;
    if (!outcome.answered() ||
        !decodeEstimate(outcome.message, &text, &error)) {
      grace_.forget();
      journal_.failed(error, "nothing is offered");
      return Resources();
    }

    const Offer offer = parseOffer(text, settings_.kinds);
    for (const std::string& dropped : offer.dropped) {
      journal_.dropped(dropped);
    }
    journal_.answered();
    grace_.remember(now, offer.amounts, revocable);
    return revocableResources(offer.amounts);
  }

  const Settings settings_;
  const std::shared_ptr<Channel> channel_;
  const lambda::function<Future<ResourceUsage>()> usage_;
  Grace grace_;
  Journal journal_;
  Future<Outcome> inFlight_;
};

Estimator::Estimator(const Settings& settings, std::shared_ptr<Channel> channel)
  : settings_(settings), channel_(std::move(channel)) {}

Estimator::~Estimator() {
  if (process_.get() != nullptr) {
    process::terminate(process_.get());
    process::wait(process_.get());
  }
}

Try<Nothing> Estimator::initialize(
    const lambda::function<Future<ResourceUsage>()>& usage) {
  if (process_.get() != nullptr) {
    return Error("The estimatord estimator has already been initialized");
  }
  process_.reset(new EstimatorProcess(settings_, channel_, usage));
  process::spawn(process_.get());
  return Nothing();
}

Future<Resources> Estimator::oversubscribable() {
  if (process_.get() == nullptr) {
    return Resources();
  }
  return process::dispatch(process_.get(), &EstimatorProcess::oversubscribable);
}

}  // namespace estimatord
