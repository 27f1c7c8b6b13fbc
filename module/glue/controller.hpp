// The agent's QoSController.
#ifndef ESTIMATORD_GLUE_CONTROLLER_HPP
#define ESTIMATORD_GLUE_CONTROLLER_HPP

#include <list>
#include <memory>

#include <mesos/slave/oversubscription.hpp>
#include <mesos/slave/qos_controller.hpp>

#include <process/future.hpp>
#include <process/owned.hpp>

#include <stout/lambda.hpp>
#include <stout/nothing.hpp>
#include <stout/try.hpp>

#include "policy/settings.hpp"
#include "transport/channel.hpp"

namespace estimatord {

class ControllerProcess;

// Long-polls the daemon. A list is given at most once a second, whatever the
// daemon does, and holds only kills of executors that are revocable in the
// agent's own usage.
class Controller : public mesos::slave::QoSController {
 public:
  Controller(const Settings& settings, std::shared_ptr<Channel> channel);
  ~Controller() override;

  Try<Nothing> initialize(
      const lambda::function<process::Future<mesos::ResourceUsage>()>& usage)
      override;

  process::Future<std::list<mesos::slave::QoSCorrection>> corrections()
      override;

 private:
  const Settings settings_;
  const std::shared_ptr<Channel> channel_;
  process::Owned<ControllerProcess> process_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_GLUE_CONTROLLER_HPP
