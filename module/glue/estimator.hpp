// The agent's ResourceEstimator.
#ifndef ESTIMATORD_GLUE_ESTIMATOR_HPP
#define ESTIMATORD_GLUE_ESTIMATOR_HPP

#include <memory>

#include <mesos/resources.hpp>
#include <mesos/slave/resource_estimator.hpp>

#include <process/future.hpp>
#include <process/owned.hpp>

#include <stout/lambda.hpp>
#include <stout/nothing.hpp>
#include <stout/try.hpp>

#include "policy/settings.hpp"
#include "transport/channel.hpp"

namespace estimatord {

class EstimatorProcess;

// Asks the daemon each time the agent asks. The answer is always ready within
// the timeout: empty when the daemon is late, gone or wrong. A failure would
// leave the last number in force at the master (slave.cpp:8585 of 1.12), and a
// future that stays pending would end the agent's loop for good (:8649).
class Estimator : public mesos::slave::ResourceEstimator {
 public:
  Estimator(const Settings& settings, std::shared_ptr<Channel> channel);
  ~Estimator() override;

  Try<Nothing> initialize(
      const lambda::function<process::Future<mesos::ResourceUsage>()>& usage)
      override;

  process::Future<mesos::Resources> oversubscribable() override;

 private:
  const Settings settings_;
  const std::shared_ptr<Channel> channel_;
  process::Owned<EstimatorProcess> process_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_GLUE_ESTIMATOR_HPP
