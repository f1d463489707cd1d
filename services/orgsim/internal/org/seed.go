package org

import (
	"fmt"
	"sort"
)

// SeedError is a record that could not be seeded.
type SeedError struct {
	Index int    `json:"index"` // in the request, from 0
	Error string `json:"error"` // as sf__Error would say it
}

// Seed inserts records as if they had always been there: by no job, and counted as seeded. A record maps column names
// (fields or relationship columns) to values; the bad ones are returned, the others stay.
func (s *Store) Seed(objectName string, records []map[string]string) (created int, bad []SeedError, err error) {
	object := s.model.Object(objectName)
	if object == nil || object.QueryOnly {
		return 0, nil, fmt.Errorf("object %q cannot be seeded: the model has no such object, or it is read only", objectName)
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, record := range records {
		names := make([]string, 0, len(record))
		for name := range record {
			names = append(names, name)
		}
		sort.Strings(names)
		cells := make([]string, len(names))
		for j, name := range names {
			cells[j] = record[name]
		}
		p, err := s.plan(object, Insert, "", names, true)
		if err != nil {
			bad = append(bad, SeedError{Index: i, Error: err.Error()})
			continue
		}
		out := s.saver(p, 0, 0, true).run([]Row{{Cells: cells}})[0]
		if out.Result == Failed {
			bad = append(bad, SeedError{Index: i, Error: out.Error.Error()})
			continue
		}
		created++
	}
	return created, bad, nil
}
