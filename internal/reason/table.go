package reason

// Kind is what a code is about.
type Kind string

// The kinds.
const (
	// OfOffer: why an offer is as large as it is.
	OfOffer Kind = "offer"
	// OfDecision: what a rule does, and a tick as a whole.
	OfDecision Kind = "decision"
	// OfContainer: why a container is or is not a victim.
	OfContainer Kind = "container"
)

// Entry explains one code.
type Entry struct {
	Code Code
	Kind Kind
	// Text is one sentence for people.
	Text string
}

// All lists every code, in the order of the docs (docs/reference/reasons.md).
func All() []Entry {
	return []Entry{
		{Slack, OfOffer, "All the measured slack may be revocable; nothing limits it further."},
		{Fixed, OfOffer, "The operator has fixed the total."},
		{Noop, OfOffer, "The mode offers nothing; the daemon only watches."},
		{Cap, OfOffer, "The operator's cap is below the slack."},
		{NoSlack, OfOffer, "What regular tasks may need is all that they were allocated."},
		{CountedInFull, OfOffer, "There is no slack: regular containers are too young to be predicted, or cannot be read, and count with all that they were allocated."},
		{UsedOutside, OfOffer, "There is no slack: processes outside the agent's containers use what regular containers leave."},
		{Learning, OfOffer, "There is no slack yet: how far regular containers rise above their present demand is not known of this node, so that what other machines have shown counts."},
		{RaiseStep, OfOffer, "The slack rose, and the offer follows it one step at a time."},
		{DeadBand, OfOffer, "The slack rose by less than what is worth a change."},
		{Hold, OfOffer, "The offer does not rise yet: capacity was taken back a while ago, or the slack was less within the hold time."},
		{Stopped, OfOffer, "The ladder has stopped the offer: regular tasks need the node. Of a rule: it is active, and asks for no more than that."},
		{NoAgent, OfOffer, "No agent has reported its usage yet."},
		{StaleUsage, OfOffer, "The agent's last report is older than the limit."},
		{NoHost, OfOffer, "The host's own readings are absent."},
		{NoSamples, OfOffer, "The container tree could not be read."},
		{StaleSamples, OfOffer, "The last sample is older than the limit."},
		{UnusableExecutor, OfOffer, "The agent's report has an executor that cannot be used, and of which reservation it has how much is not known."},

		{Calm, OfDecision, "No rule is above its threshold."},
		{Waiting, OfDecision, "A rule is above its threshold, but not yet for its time."},
		{Climbing, OfDecision, "A rule is active, and the ladder is on its way to its action."},
		{Throttled, OfDecision, "A rule is active; revocable containers are throttled."},
		{Frozen, OfDecision, "A rule is active; revocable containers are frozen."},
		{Preempt, OfDecision, "A rule is active; a container is killed."},
		{KillInFlight, OfDecision, "The kills under way may be enough; nothing else is killed until their containers are gone."},
		{Settling, OfDecision, "The last victim is gone, and its relief is not yet in the readings."},
		{BudgetSpent, OfDecision, "A rule is active, but no kill is left in the budget."},
		{NoVictim, OfDecision, "A rule is above its threshold, but there is nothing to take, or nobody to take it for."},
		{Clearing, OfDecision, "An active rule is not above its threshold any more, and not yet below its clear level."},
		{Blind, OfDecision, "An input of the rule is absent, so the rule does nothing."},
		{NoSignal, OfDecision, "This host does not have what the rule reads, so the rule does nothing."},
		{NoPolicy, OfDecision, "There is no rule."},
		{Shadow, OfDecision, "Every rule is in shadow mode, so nothing is done."},
		{Paused, OfDecision, "An operator has paused the daemon, so nothing is offered or taken."},

		{Eligible, OfContainer, "It could be a victim, if a rule asked for one."},
		{Chosen, OfContainer, "It is the victim."},
		{NotFirst, OfContainer, "Another container came first in the victim order."},
		{NotRevocable, OfContainer, "It holds nothing revocable, or lacks an id that a kill needs."},
		{RunsRegularTask, OfContainer, "Its executor also runs a task on regular resources."},
		{UnknownToAgent, OfContainer, "The agent does not list it."},
		{NotOnDisk, OfContainer, "The agent lists it, but it has no cgroup."},
		{UnknownUsage, OfContainer, "Its usage could not be read, or is too old."},
		{TooYoung, OfContainer, "It is younger than the policy's min_age."},
		{TooSmall, OfContainer, "It uses less than the policy's min_usage."},
		{Protected, OfContainer, "The policy protects it."},
		{AlreadyDying, OfContainer, "It was handed to the agent to be killed."},
	}
}

// Text is the sentence of c, "" of a code that there is not.
func (c Code) Text() string {
	for _, e := range All() {
		if e.Code == c {
			return e.Text
		}
	}
	return ""
}
