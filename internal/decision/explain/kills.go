package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Kills are the kills since a time, zero for all, in order of time.
func (l *Log) Kills(since time.Time) []Killed {
	var found []kill
	l.back(decisionlog.Query{Since: since, Texts: []string{`"kills":[`}}, func(at decisionlog.Place, r *decision.Record) bool {
		for i, v := range r.AllKills() {
			found = append(found, kill{at: at, record: r, victim: v, shadow: i >= len(r.QoS.Kills)})
		}
		return true
	})
	slices.Reverse(found)
	all := make([]Killed, len(found))
	for i := range found {
		k := newKill(found[i].record, found[i].victim, found[i].shadow)
		k.Tasks = l.tasks(&found[i])
		if !k.Shadow {
			k.Outcome = l.outcome(&found[i])
		}
		all[i] = k.Killed
	}
	return all
}

// tasks are those that a victim had when it was weighed last before its kill.
func (l *Log) tasks(k *kill) (tasks []snapshot.Task) {
	l.back(decisionlog.Query{Before: k.at, About: k.victim.ID}, func(_ decisionlog.Place, r *decision.Record) bool {
		for i := range r.Eligible {
			if e := &r.Eligible[i]; e.Key == k.victim.Key {
				for _, id := range e.Tasks {
					tasks = append(tasks, snapshot.Task{ID: id})
				}
				break
			}
		}
		return false
	})
	return tasks
}

// shownID is as much of a container's id as tells it from others on its node.
const shownID = 8

// Cells are the kill in one line: when it was, the begin of the container's id,
// its tasks or its executor, and why with what became of it.
func (k *Killed) Cells() []string {
	name := k.ExecutorID
	if len(k.Tasks) > 0 {
		name = strings.Join(taskIDs(k.Tasks), ",")
	}
	why, _, _ := strings.Cut(k.Text, "; ") // the rest is in the explanation
	return []string{k.At.UTC().Format("2006-01-02 15:04:05"), k.ID[:min(shownID, len(k.ID))], name, why + "; " + strings.TrimSuffix(k.outcome(), ".")}
}
