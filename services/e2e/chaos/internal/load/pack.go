package load

import (
	"fmt"
	"slices"
	"strings"
)

// Content types and encodings, as the guide for publishers names them.
const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	gzipped    = "gzip"
	zstded     = "zstd"
)

// pack lays the records into messages, repeats some, and says when each is published.
func (a *author) pack(duration float64) []Message {
	var out []Message
	for rest := a.items; len(rest) > 0; {
		n := a.frameSize(rest)
		m := Message{}
		for _, it := range rest[:n] {
			m.Entries = append(m.Entries, Entry{Item: it})
		}
		a.dress(&m, len(out)+1)
		out = append(out, m)
		rest = rest[n:]
	}
	out = a.repeatMessages(out)
	a.repeatRecords(out)
	a.repeatDropped(out)
	a.number(out)
	for i := range out {
		out[i].At = duration * 0.9 * (float64(i) + a.draw.Float64()) / float64(len(out))
	}
	return out
}

// frameSize is how many of the records at the front go into one message.
func (a *author) frameSize(items []*Item) int {
	if items[0].alone {
		return 1
	}
	most := 1 + a.draw.IntN(max(min(40, len(a.items)/8), 2))
	if a.chance(20) {
		most = 1
	}
	seen := map[string]bool{}
	for n, it := range items[:min(most, len(items))] {
		// Where keys come from content a frame that is stored holds an entity once: read again from its beginning it then says nothing new.
		if it.alone || it.Key == "" && it.Entity != "" && seen[it.Entity] {
			return max(n, 1)
		}
		seen[it.Entity] = true
		// Two records of one version are decided together, so that the first is not dead before the second is read.
		if it.Fate == "" && n+1 == most && n+1 < len(items) && items[n+1].Fate == "data/VERSION_CONFLICT" {
			return n + 2
		}
	}
	return min(most, len(items))
}

// dress gives a message its headers.
func (a *author) dress(m *Message, n int) {
	first := m.Entries[0]
	unreadable := first.Fate == "data/FRAME_UNREADABLE"
	if first.single || a.key != "" && len(m.Entries) == 1 && !unreadable && a.chance(50) {
		if a.chance(50) {
			m.Type = typeJSON
		}
	} else {
		m.Type = typeNDJSON
	}
	if m.MsgID = first.MsgID; m.MsgID == "" {
		m.MsgID = fmt.Sprintf("%s-m%d", a.Name, n)
	}
	switch {
	case unreadable:
		m.Count = 3 // of two
	case m.Type == typeNDJSON && a.chance(50):
		m.Count = len(m.Entries)
	}
	switch n := a.draw.IntN(100); {
	case n < 15:
		m.Encoding = gzipped
	case n < 25:
		m.Encoding = zstded
	}
}

// repeatMessages publishes some messages a second time: at once, which the broker may see, or later.
func (a *author) repeatMessages(messages []Message) []Message {
	var out []Message
	type later struct {
		after int
		m     Message
	}
	var waiting []later
	for i, m := range messages {
		out = append(out, m)
		if a.repeatable(m) && a.chance(10) {
			again := m
			again.Entries = make([]Entry, len(m.Entries))
			for i, e := range m.Entries {
				again.Entries[i] = Entry{Item: e.Item, Again: true}
			}
			again.Name = "again" // and with the same id
			if a.key == "" && !m.Entries[0].single || a.chance(40) {
				out = append(out, again)
			} else {
				waiting = append(waiting, later{i + 1 + a.draw.IntN(len(messages)-i), again})
			}
		}
		waiting = slices.DeleteFunc(waiting, func(l later) bool {
			if l.after == i {
				out = append(out, l.m)
			}
			return l.after == i
		})
	}
	for _, l := range waiting {
		out = append(out, l.m)
	}
	return out
}

// repeatable says whether all records of a message are repeats when it is published again.
func (a *author) repeatable(m Message) bool {
	for _, e := range m.Entries {
		if e.Fate != "" && e.Key == "" || e.Key == "" && e.Entity == "" {
			return false
		}
	}
	return true
}

// dropped says that a person discards the record: what is published again after that is no repeat, but opens a generation.
func dropped(e Entry) bool { return strings.HasPrefix(e.Entity, dropPrefix) }

// repeatRecords puts some records once more into later frames.
func (a *author) repeatRecords(messages []Message) {
	if a.key == "" {
		return // keyed by content, or by the message
	}
	for i := range messages {
		m := &messages[i]
		if i == 0 || m.Type != typeNDJSON || m.Name == "again" || m.Entries[0].alone || !a.chance(12) {
			continue
		}
		of := messages[a.draw.IntN(i)]
		for _, e := range of.Entries {
			if e.Key != "" && !e.alone && a.chance(30) {
				m.Entries = append(m.Entries, Entry{Item: e.Item, Again: true})
			}
		}
		if m.Count > 0 {
			m.Count = len(m.Entries)
		}
	}
}

// repeatDropped publishes about half of the records that a person discards once more at the end, when some are discarded already.
func (a *author) repeatDropped(messages []Message) {
	late := len(messages) / 6
	if late == 0 {
		return
	}
	last := len(messages) - late
	for i := range messages[:last] {
		for _, e := range messages[i].Entries {
			if !dropped(e) || a.chance(50) {
				continue
			}
			m := &messages[last+a.draw.IntN(late)]
			if m.Type != typeNDJSON || m.Name == "again" || m.Entries[0].alone {
				continue
			}
			m.Entries = append(m.Entries, Entry{Item: e.Item, Again: true})
			if m.Count > 0 {
				m.Count = len(m.Entries)
			}
		}
	}
}

// number names messages and records in the order in which they are first published.
func (a *author) number(messages []Message) {
	records := map[*Item]int{}
	for i := range messages {
		m := &messages[i]
		m.Name = fmt.Sprintf("%s/%d", a.Name, i+1)
		for j, e := range m.Entries {
			_, known := records[e.Item]
			m.Entries[j].Again = known
			if !known {
				records[e.Item] = len(records)
				e.Record = records[e.Item]
			}
		}
	}
}
