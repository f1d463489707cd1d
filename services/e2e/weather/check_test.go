package weather

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strconv"

	"bulkhead/services/orgsim/simtest"
)

// landedIDs are the Salesforce ids of the records that landed, by key, as the export of the ledger has them.
func landedIDs(s *stack, p pipeline, l *load) map[string]string {
	s.T.Helper()
	out := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(s.Get("/v1/exports/landed?format=ndjson&pipeline=" + p.name)))
	for lines.Scan() {
		var r struct {
			Key string `json:"key"`
			ID  string `json:"salesforce_id"`
		}
		s.Must(json.Unmarshal(lines.Bytes(), &r))
		if l.of(r.Key) {
			out[r.Key] = r.ID
		}
	}
	return out
}

// check holds what is left against what was published, and against the org.
func check(s *stack, l *load) {
	s.T.Helper()
	for _, p := range pipelines {
		b, landed := s.Balance(p.name, l.run), landedIDs(s, p, l)
		all, lands := int64(len(l.entries[p.name])), l.lands(p)
		if b.Accepted != all || b.Dead != all-lands || b.Landed+b.Superseded != lands || b.Repeats != 0 {
			s.T.Errorf("the balance of %s is %+v; %d were published, %d of them can land", p.name, b, all, lands)
		}
		if b.Superseded != 0 && p.name != things.name && p.name != phones.name {
			s.T.Errorf("%d records of %s were superseded, which have nothing newer", b.Superseded, p.name)
		}
		if int64(len(landed)) != b.Landed {
			s.T.Errorf("the export of %s has %d records, the balance %d", p.name, len(landed), b.Landed)
		}
		rows := map[string][]simtest.Record{} // by entity, with their history
		for _, r := range s.Sim.Records(p.object, true) {
			if e := r.Fields["Ext__c"]; l.of(e) {
				rows[e] = append(rows[e], r)
			}
		}
		switch p.operation {
		case "insert":
			checkInserts(s, l, p, rows, landed)
		case "delete":
			checkDeletes(s, l, p, rows, landed)
		default:
			checkVersions(s, l, p, rows, landed)
		}
	}
	for _, p := range []pipeline{phones, removals} {
		for _, name := range l.bystand {
			if r, ok := s.Sim.Record(p.object, name); ok && (r.Count != 1 || r.Fields["A__c"] != "0") {
				s.T.Errorf("%s, whom nobody named, was touched: %+v", name, r)
			}
		}
	}
}

// checkInserts: for every record that landed there is one row, and each row is what one record landed as.
func checkInserts(s *stack, l *load, p pipeline, rows map[string][]simtest.Record, landed map[string]string) {
	s.T.Helper()
	of := map[string]map[string]bool{} // entity → ids that the ledger gives to its records
	wanted := map[string]int{}
	for _, e := range l.entries[p.name] {
		id, ok := landed[e.key]
		if !ok {
			continue
		}
		wanted[e.entity]++
		if of[e.entity] == nil {
			of[e.entity] = map[string]bool{}
		}
		of[e.entity][id] = true
	}
	for _, e := range l.entries[p.name] {
		got := rows[e.entity]
		if len(got) != wanted[e.entity] || len(of[e.entity]) != len(got) {
			s.T.Errorf("%s: %d records of %s landed, as %v, and the org has %d rows", p.name, wanted[e.entity], e.entity, of[e.entity], len(got))
		}
		for _, r := range got {
			if !of[e.entity][r.ID] || r.Count != 1 {
				s.T.Errorf("%s: row %s of %s has %d versions, and the ledger knows %v", p.name, r.ID, e.entity, r.Count, of[e.entity])
			}
		}
	}
	made := map[string]int{} // what the org's jobs say of the rows that they made
	for _, j := range s.Sim.Jobs() {
		if j.Object != p.object {
			continue
		}
		for _, r := range s.Sim.Rows(j.ID) {
			if r.Outcome == "created" {
				made[r.ID]++
			}
		}
	}
	for key, id := range landed {
		if made[id] != 1 {
			s.T.Errorf("%s: %s landed as %s, which %d rows of jobs say they made", p.name, key, id, made[id])
		}
	}
}

// checkDeletes: what was to go has gone, and nothing else.
func checkDeletes(s *stack, l *load, p pipeline, rows map[string][]simtest.Record, landed map[string]string) {
	s.T.Helper()
	for _, e := range l.entries[p.name] {
		if _, ok := landed[e.key]; !ok && e.never == (refusal{}) {
			s.T.Errorf("%s: %s did not land", p.name, e.key)
		}
		if len(rows[e.entity]) != 0 {
			s.T.Errorf("%s: %s is still there", p.name, e.entity)
		}
		if e.never == (refusal{}) && len(s.Sim.Holding(p.object, "Ext__c", e.entity, true)) != 1 {
			s.T.Errorf("%s: %s is not in the bin", p.name, e.entity)
		}
	}
	if len(rows) != 1 {
		s.T.Errorf("%s: %d rows are left, want the one that nobody named", p.name, len(rows))
	}
}

// checkVersions: each row says the newest of each field, and has never gone back to an older one.
func checkVersions(s *stack, l *load, p pipeline, rows map[string][]simtest.Record, landed map[string]string) {
	s.T.Helper()
	newest := map[string]map[string]string{}
	seen := map[string]string{}
	for _, e := range l.entries[p.name] {
		if e.never != (refusal{}) {
			if len(rows[e.entity]) != 0 {
				s.T.Errorf("%s: the org holds %s, which it refuses", p.name, e.entity)
			}
			continue
		}
		if newest[e.entity] == nil {
			newest[e.entity] = map[string]string{}
		}
		for c, v := range e.says {
			newest[e.entity][c] = v
		}
		if id, ok := landed[e.key]; ok {
			if before, ok := seen[e.entity]; ok && before != id {
				s.T.Errorf("%s: records of %s landed as %s and as %s", p.name, e.entity, before, id)
			}
			seen[e.entity] = id
		}
	}
	for entity, want := range newest {
		got := rows[entity]
		if len(got) != 1 || seen[entity] != got[0].ID {
			s.T.Errorf("%s: the org has %d rows of %s, and the ledger says %q", p.name, len(got), entity, seen[entity])
			continue
		}
		for c, v := range want {
			if got[0].Fields[c] != v {
				s.T.Errorf("%s: %s.%s is %q, want %q", p.name, entity, c, got[0].Fields[c], v)
			}
			last := 0
			for _, version := range got[0].Versions {
				n, _ := strconv.Atoi(version.Fields[c]) // "" before it was ever said
				if n < last {
					s.T.Errorf("%s: %s.%s went back from %d to %d", p.name, entity, c, last, n)
				}
				last = max(last, n)
			}
		}
	}
}

// checkJobs: in the end no job of ours is open, and each that was closed is one of the ledger's.
func checkJobs(s *stack) {
	s.T.Helper()
	s.Eventually("no job is open", func() bool {
		for _, j := range s.Sim.Jobs() {
			if j.State == "Open" && j.Gone == "" {
				return false
			}
		}
		return true
	})
}
