package scheduler

import "encoding/json"

// The messages of the scheduler API, version 1, as far as they are used here:
// include/mesos/v1/scheduler/scheduler.proto and mesos.proto as JSON. What a
// resource or a container has beside that is kept as it came.

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
	Ranges         json.RawMessage `json:"ranges,omitempty"`
	Set            json.RawMessage `json:"set,omitempty"`
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

// Variable is one variable of the environment.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Environment is what a command finds in its environment.
type Environment struct {
	Variables []Variable `json:"variables"`
}

// CommandInfo is what is run: a line of shell, or a program and its arguments,
// of which the first is its name again.
type CommandInfo struct {
	Shell       bool         `json:"shell"`
	Value       string       `json:"value,omitempty"`
	Arguments   []string     `json:"arguments,omitempty"`
	Environment *Environment `json:"environment,omitempty"`
}

// ContainerInfo is an image for the Mesos containerizer, which runs it in the
// cgroups of the agent.
type ContainerInfo struct {
	Type  string     `json:"type"`
	Mesos *MesosInfo `json:"mesos,omitempty"`
}

// MesosInfo holds the image.
type MesosInfo struct {
	Image Image `json:"image"`
}

// Image is a Docker image.
type Image struct {
	Type   string      `json:"type"`
	Docker DockerImage `json:"docker"`
}

// DockerImage is the name of an image, with its tag.
type DockerImage struct {
	Name string `json:"name"`
}

// ExecutorInfo is an executor that a framework brings.
type ExecutorInfo struct {
	ExecutorID ID           `json:"executor_id"`
	Type       string       `json:"type,omitempty"`
	Command    *CommandInfo `json:"command,omitempty"`
	Resources  []Resource   `json:"resources,omitempty"`
	Labels     *Labels      `json:"labels,omitempty"`
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
	Labels    *Labels        `json:"labels,omitempty"`
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
	Principal       string       `json:"principal,omitempty"`
}

// Event is one record of the stream.
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
		AgentID    ID   `json:"agent_id"`
		ExecutorID ID   `json:"executor_id"`
		Status     *int `json:"status"`
	} `json:"failure,omitempty"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// whole reports whether an event has the body that its type promises.
func (e *Event) whole() bool {
	switch e.Type {
	case "SUBSCRIBED":
		return e.Subscribed != nil && e.Subscribed.FrameworkID.Value != ""
	case "OFFERS":
		return e.Offers != nil
	case "RESCIND":
		return e.Rescind != nil
	case "UPDATE":
		return e.Update != nil
	case "FAILURE":
		return e.Failure != nil
	case "ERROR":
		return e.Error != nil
	default: // HEARTBEAT, and what later masters may send
		return e.Type != ""
	}
}

// Call is what the framework asks of the master. The client adds the
// framework's id.
type Call struct {
	Type            string       `json:"type"`
	FrameworkID     *ID          `json:"framework_id,omitempty"`
	Subscribe       *Framework   `json:"subscribe,omitempty"`
	UpdateFramework *Framework   `json:"update_framework,omitempty"`
	Accept          *Accept      `json:"accept,omitempty"`
	Decline         *Decline     `json:"decline,omitempty"`
	Kill            *TaskOnAgent `json:"kill,omitempty"`
	Acknowledge     *Acknowledge `json:"acknowledge,omitempty"`
	Reconcile       *Reconcile   `json:"reconcile,omitempty"`
}

// Framework is the body of SUBSCRIBE and UPDATE_FRAMEWORK.
type Framework struct {
	FrameworkInfo FrameworkInfo `json:"framework_info"`
}

// Accept launches tasks on offers, which must all be of one agent and valid.
type Accept struct {
	OfferIDs   []ID        `json:"offer_ids"`
	Operations []Operation `json:"operations"`
	Filters    Filters     `json:"filters"`
}

// Operation is a LAUNCH.
type Operation struct {
	Type   string `json:"type"`
	Launch Launch `json:"launch"`
}

// Launch is what a LAUNCH launches.
type Launch struct {
	TaskInfos []TaskInfo `json:"task_infos"`
}

// Filters say how long what is not used is not offered again.
type Filters struct {
	RefuseSeconds float64 `json:"refuse_seconds"`
}

// Decline gives offers back.
type Decline struct {
	OfferIDs []ID    `json:"offer_ids"`
	Filters  Filters `json:"filters"`
}

// TaskOnAgent names a task, and its agent where that is known.
type TaskOnAgent struct {
	TaskID  ID  `json:"task_id"`
	AgentID *ID `json:"agent_id,omitempty"`
}

// Acknowledge tells that an update was received.
type Acknowledge struct {
	AgentID ID     `json:"agent_id"`
	TaskID  ID     `json:"task_id"`
	UUID    string `json:"uuid"`
}

// Reconcile asks for the states of tasks; for all when there is none.
type Reconcile struct {
	Tasks []TaskOnAgent `json:"tasks"`
}
