package decide

import (
	"maps"
	"slices"

	"bulkhead/libs/record"
)

// Wants lists what to look up for a batch of candidates. What lies at or below its mark is left out, and what certainly is new.
func (e *Engine) Wants(batch []Candidate, news News) Wanted {
	var w Wanted
	var lowest map[record.Hash]record.Version
	for i := range batch {
		c := &batch[i]
		if e.decided(c) {
			continue
		}
		if c.KeyKind == KeyNamed && !news.key(&c.KeyHash) {
			w.Keys = append(w.Keys, c.KeyHash)
		}
		if c.HasEntity && news.entity(&c.EntityHash) {
			continue
		}
		switch {
		case c.KeyKind != KeyFromBody || !c.HasEntity:
		case e.ordered(c):
			w.NewestVersions = append(w.NewestVersions, c.EntityHash)
		default:
			w.Newest = append(w.Newest, c.EntityHash)
		}
		if e.ordered(c) {
			if lowest == nil {
				lowest = make(map[record.Hash]record.Version)
			}
			if v, ok := lowest[c.EntityHash]; !ok || c.Version.Compare(v) < 0 {
				lowest[c.EntityHash] = c.Version
			}
		}
	}
	for entity, v := range lowest {
		w.Newer = append(w.Newer, EntityVersion{Entity: entity, Version: string(v)})
	}
	return w
}

// WantsEqual lists the versions to look up once the first answers are there: those that the ledger may hold already. Where records come
// in the order of their versions there are none.
func (e *Engine) WantsEqual(batch []Candidate, first Answers) []EntityVersion {
	if len(first.Newer) == 0 {
		return nil
	}
	seen := map[EntityVersion]bool{}
	for i := range batch {
		c := &batch[i]
		if e.ordered(c) && !e.decided(c) && slices.ContainsFunc(first.Newer[c.EntityHash], func(n Named) bool { return n.Version.Compare(c.Version) >= 0 }) {
			seen[EntityVersion{Entity: c.EntityHash, Version: string(c.Version)}] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// WantsReused lists the further keys to look up once the first answers are there: those under which records would die that use a key
// for other content than it stood for.
func (e *Engine) WantsReused(batch []Candidate, first Answers) []record.Hash {
	var out []record.Hash
	var seen map[record.Hash]record.Hash
	for i := range batch {
		c := &batch[i]
		if c.KeyKind != KeyNamed || e.decided(c) {
			continue
		}
		if seen == nil {
			seen = make(map[record.Hash]record.Hash, len(batch)-i)
		}
		content, ok := seen[c.KeyHash]
		if !ok {
			if k, held := e.unsealed(c.KeyHash); held {
				content, ok = k.Content, true
			} else if k, held := first.Keys[c.KeyHash]; held {
				content, ok = k.Content, true
			}
		}
		if !ok {
			content = c.Content
		}
		seen[c.KeyHash] = content
		if content != c.Content {
			out = append(out, record.HashKey(e.Pipeline, record.ReusedKey(c.Key, c.Content)))
		}
	}
	return out
}
