package scheduler

import "encoding/json"

// The messages of the scheduler API, version 1, as far as they are used here:
// include/mesos/v1/scheduler/scheduler.proto and mesos.proto as JSON. What a
// resource has beside its amount is kept as it came.

// ID is any id of Mesos.
type ID struct {
	Value string `json:"value"`
}

// Scalar is an amount: cpus, or MB.
type Scalar struct {
	Value float64 `json:"value"`
}

// Resource is an amount of one resource of one kind.
type Resource struct {
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	Scalar *Scalar `json:"scalar,omitempty"`
	// Revocable is set, and empty, on what can be taken back.
	Revocable      *struct{}       `json:"revocable,omitempty"`
	Role           string          `json:"role,omitempty"`
	Reservation    json.RawMessage `json:"reservation,omitempty"`
	Reservations   json.RawMessage `json:"reservations,omitempty"`
	AllocationInfo json.RawMessage `json:"allocation_info,omitempty"`
	Disk           json.RawMessage `json:"disk,omitempty"`
	Shared         json.RawMessage `json:"shared,omitempty"`
	ProviderID     *ID             `json:"provider_id,omitempty"`
}

// Offer is what one agent offers. An agent may have several out at once.
type Offer struct {
	ID        ID         `json:"id"`
	AgentID   ID         `json:"agent_id"`
	Hostname  string     `json:"hostname"`
	Resources []Resource `json:"resources"`
}

// Label is one label of a task.
type Label struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// Labels are wrapped once more on the wire.
type Labels struct {
	Labels []Label `json:"labels"`
}

// CommandInfo is what is run: a line of shell, or a program and its arguments,
// of which the first is its name again.
type CommandInfo struct {
	Shell       bool            `json:"shell"`
	Value       string          `json:"value,omitempty"`
	Arguments   []string        `json:"arguments,omitempty"`
	Environment json.RawMessage `json:"environment,omitempty"`
}

// ContainerInfo names the containerizer, DOCKER or MESOS, and its image.
type ContainerInfo struct {
	Type  string          `json:"type"`
	Mesos json.RawMessage `json:"mesos,omitempty"`
}

// ExecutorInfo is an executor that a framework brings.
type ExecutorInfo struct {
	ExecutorID ID         `json:"executor_id"`
	Resources  []Resource `json:"resources,omitempty"`
	Labels     Labels     `json:"labels,omitzero"`
}

// TaskInfo is a task to be launched.
type TaskInfo struct {
	Name      string         `json:"name"`
	TaskID    ID             `json:"task_id"`
	AgentID   ID             `json:"agent_id"`
	Resources []Resource     `json:"resources"`
	Command   *CommandInfo   `json:"command,omitempty"`
	Executor  *ExecutorInfo  `json:"executor,omitempty"`
	Container *ContainerInfo `json:"container,omitempty"`
	Labels    Labels         `json:"labels,omitzero"`
}

// TaskStatus is the state of a task, and who says so why.
type TaskStatus struct {
	TaskID     ID     `json:"task_id"`
	State      string `json:"state"`
	Message    string `json:"message,omitempty"`
	Source     string `json:"source,omitempty"`
	Reason     string `json:"reason,omitempty"`
	AgentID    ID     `json:"agent_id,omitzero"`
	ExecutorID ID     `json:"executor_id,omitzero"`
	// Timestamp is in seconds of the epoch.
	Timestamp float64 `json:"timestamp,omitempty"`
	// UUID is base64; an update that has one waits for its acknowledgement.
	UUID string `json:"uuid,omitempty"`
}

// Capability is what a framework declares that it understands.
type Capability struct {
	Type string `json:"type"`
}

// FrameworkInfo is how a framework registers.
type FrameworkInfo struct {
	User string `json:"user"`
	Name string `json:"name"`
	ID   *ID    `json:"id,omitempty"`
	// FailoverTimeout is how long the master lets tasks run when the framework
	// is away, in seconds.
	FailoverTimeout float64      `json:"failover_timeout"`
	Checkpoint      bool         `json:"checkpoint"`
	Roles           []string     `json:"roles"`
	Capabilities    []Capability `json:"capabilities"`
}

// Event is one record of the stream: its type, and the body that goes with it.
type Event struct {
	Type       string `json:"type"`
	Subscribed *struct {
		FrameworkID              ID      `json:"framework_id"`
		HeartbeatIntervalSeconds float64 `json:"heartbeat_interval_seconds"`
	} `json:"subscribed,omitempty"`
	Offers *struct {
		Offers []Offer `json:"offers"`
	} `json:"offers,omitempty"`
	Rescind *struct {
		OfferID ID `json:"offer_id"`
	} `json:"rescind,omitempty"`
	Update *struct {
		Status TaskStatus `json:"status"`
	} `json:"update,omitempty"`
	Failure *struct {
		AgentID    ID `json:"agent_id"`
		ExecutorID ID `json:"executor_id"`
	} `json:"failure,omitempty"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// whole reports whether an event has the body that its type promises.
func (e *Event) whole() bool {
	has, known := map[string]bool{
		"SUBSCRIBED": e.Subscribed != nil && e.Subscribed.FrameworkID.Value != "",
		"OFFERS":     e.Offers != nil,
		"RESCIND":    e.Rescind != nil,
		"UPDATE":     e.Update != nil,
		"FAILURE":    e.Failure != nil,
		"ERROR":      e.Error != nil,
	}[e.Type]
	return has || !known && e.Type != ""
}

// Call is what the framework asks of the master; the client adds its id. Besides
// SUBSCRIBE, UPDATE_FRAMEWORK has a framework; SUPPRESS, REVIVE and TEARDOWN
// have no body.
type Call struct {
	Type            string       `json:"type"`
	FrameworkID     *ID          `json:"framework_id,omitempty"`
	Subscribe       *Framework   `json:"subscribe,omitempty"`
	UpdateFramework *Framework   `json:"update_framework,omitempty"`
	Accept          *Offers      `json:"accept,omitempty"`
	Decline         *Offers      `json:"decline,omitempty"`
	Kill            *TaskOnAgent `json:"kill,omitempty"`
	Acknowledge     *TaskOnAgent `json:"acknowledge,omitempty"`
	Reconcile       *Reconcile   `json:"reconcile,omitempty"`
}

// Framework is the body of SUBSCRIBE and UPDATE_FRAMEWORK.
type Framework struct {
	FrameworkInfo FrameworkInfo `json:"framework_info"`
}

// Offers are offers that are answered. They are of one agent, and valid, when
// something is launched on them.
type Offers struct {
	OfferIDs   []ID        `json:"offer_ids"`
	Operations []Operation `json:"operations,omitempty"`
	// Filters say how long what is not used is not offered again.
	Filters struct {
		RefuseSeconds float64 `json:"refuse_seconds"`
	} `json:"filters"`
}

// Operation is a LAUNCH.
type Operation struct {
	Type   string `json:"type"`
	Launch struct {
		TaskInfos []TaskInfo `json:"task_infos"`
	} `json:"launch"`
}

// TaskOnAgent names a task and its agent, and an update of it to be acknowledged.
type TaskOnAgent struct {
	TaskID  ID     `json:"task_id"`
	AgentID ID     `json:"agent_id"`
	UUID    string `json:"uuid,omitempty"`
}

// Reconcile asks for the states of tasks.
type Reconcile struct {
	Tasks []TaskOnAgent `json:"tasks"`
}
