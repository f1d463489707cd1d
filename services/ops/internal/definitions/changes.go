package definitions

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/store"
)

// changes says what the step from one revision to another means, a sentence each.
func changes(from, to store.Definition) []string {
	before, err := stored(from)
	if err != nil {
		return []string{fmt.Sprintf("Revision %d cannot be read by this version any more, so only its text can be compared: %v.", from.Revision, oneLine(err))}
	}
	after, err := stored(to)
	if err != nil {
		return []string{fmt.Sprintf("Revision %d cannot be read by this version any more, so only its text can be compared: %v.", to.Revision, oneLine(err))}
	}
	out := inWords(before, after)
	switch {
	case len(out) > 0:
		return out
	case from.YAML == to.YAML:
		return []string{"Nothing: the two say the same."}
	}
	return []string{"Nothing that is carried out: only comments, order or spelling of the text."}
}

// inWords is what is carried out in another way; nil = everything is as before.
func inWords(before, after *pipeline.Definition) []string {
	w := &wording{}
	w.target(before, after)
	w.records(before, after)
	w.columns(before, after)
	w.carrying(before, after)
	w.people(before, after)
	return w.out
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

type wording struct{ out []string }

func (w *wording) say(format string, args ...any) {
	w.out = append(w.out, fmt.Sprintf(format, args...))
}

// differ says that a key has another value; "" reads as absent.
func (w *wording) differ(key, before, after string, note string) {
	if before == after {
		return
	}
	if note != "" {
		note = ": " + note
	}
	w.say("%s changes from %s to %s%s.", key, orNone(before), orNone(after), note)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (w *wording) target(before, after *pipeline.Definition) {
	w.differ("org", before.Org, after.Org, "what lands from now on lands in another org")
	w.differ("object", before.Object, after.Object, "")
	w.differ("operation", before.Operation, after.Operation, meaning[after.Operation])
	w.differ("The key field", keyField(before), keyField(after), "rows are matched, and entities named, by another field")
	if before.KeyField() == after.KeyField() {
		w.differ("The comparison of "+keyField(after), comparing(before), comparing(after), "as the org described the field at the apply")
	}
}

var meaning = map[string]string{
	pipeline.OperationInsert:     "every record makes a new row",
	pipeline.OperationUpdate:     "only rows that are there are written",
	pipeline.OperationUpsert:     "rows are written, and made where they are missing",
	pipeline.OperationDelete:     "rows are deleted",
	pipeline.OperationHardDelete: "rows are deleted without a way back",
}

func keyField(d *pipeline.Definition) string {
	if d.Content() {
		return "content"
	}
	return d.KeyField()
}

func comparing(d *pipeline.Definition) string {
	if d.Exact() {
		return "exact"
	}
	return "case-insensitive"
}

func (w *wording) records(before, after *pipeline.Definition) {
	w.differ("key", strings.Join(before.Key, ", "), strings.Join(after.Key, ", "), "a record that was accepted under the old key is no repeat under the new one")
	w.differ("version", strings.Join(before.Version, "."), strings.Join(after.Version, "."), "")
	w.differ("records", patchOrWhole(before), patchOrWhole(after), "")
	w.differ("unknownMembers", before.UnknownMembers, after.UnknownMembers, "")
	w.differ("emptyString", before.EmptyString, after.EmptyString, "")
}

func patchOrWhole(d *pipeline.Definition) string {
	if d.Whole {
		return "whole"
	}
	return "patch"
}

// columns compares the maps by column.
func (w *wording) columns(before, after *pipeline.Definition) {
	old := map[string]pipeline.Mapping{}
	for _, m := range before.Mappings {
		old[m.To] = m
	}
	now := map[string]bool{}
	for _, m := range after.Mappings {
		now[m.To] = true
		was, there := old[m.To]
		switch {
		case !there:
			w.say("Column %s is added, filled with %s.", m.To, filling(m))
		case filling(was) != filling(m):
			w.say("Column %s is filled with %s instead of %s.", m.To, filling(m), filling(was))
		}
	}
	for _, m := range before.Mappings {
		if !now[m.To] {
			w.say("Column %s is filled no more; what the org holds there stays.", m.To)
		}
	}
}

// filling says where a column's value comes from.
func filling(m pipeline.Mapping) string {
	if m.From == nil {
		return fmt.Sprintf("the constant %q", m.Const)
	}
	text := fmt.Sprintf("member %s (%s)", strings.Join(m.From, "."), m.Type)
	if m.Required {
		text = "the required " + text
	}
	return text
}

// carrying is how records are carried.
func (w *wording) carrying(before, after *pipeline.Definition) {
	w.differ("lanes", fmt.Sprint(before.Lanes), fmt.Sprint(after.Lanes), "entities move to other lanes")
	w.differ("chunk.rows", fmt.Sprint(before.Chunk.Rows), fmt.Sprint(after.Chunk.Rows), "")
	w.differ("chunk.bytes", fmt.Sprint(before.Chunk.Bytes), fmt.Sprint(after.Chunk.Bytes), "")
	w.differ("chunk.age", before.Chunk.Age.String(), after.Chunk.Age.String(), "")
	w.differ("bulk.threshold", threshold(before), threshold(after), "smaller chunks go by calls of sObject Collections, others by a job")
	w.differ("backlog", fmt.Sprint(before.Backlog), fmt.Sprint(after.Backlog), "the size of the stream of what is not yet accepted, in bytes")
	for _, class := range record.Classes() {
		w.differ("retry of class "+string(class), policy(before.Retry[class]), policy(after.Retry[class]), "")
	}
}

// threshold is absent where the definition leaves it to the submitter, and 0 where every chunk is a job.
func threshold(d *pipeline.Definition) string {
	if d.BulkThreshold == nil {
		return ""
	}
	return fmt.Sprint(*d.BulkThreshold)
}

func policy(p record.Policy) string {
	if p.Attempts == 0 { // quota and auth count none
		return fmt.Sprintf("%s to %s", p.Base, p.Max)
	}
	return fmt.Sprintf("%d tries, %s to %s", p.Attempts, p.Base, p.Max)
}

func (w *wording) people(before, after *pipeline.Definition) {
	w.differ("owner", before.Owner, after.Owner, "")
	w.differ("contact", before.Contact, after.Contact, "")
	old, now := slices.Sorted(slices.Values(before.DependsOn)), slices.Sorted(slices.Values(after.DependsOn))
	w.differ("dependsOn", strings.Join(old, ", "), strings.Join(now, ", "), "")
}
