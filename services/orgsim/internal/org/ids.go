package org

import "bulkhead/services/orgsim/internal/sfid"

// IDs writes the ids of one object's rows without asking the store again.
type IDs struct {
	prefix, instance string
	base             uint64
}

// IDs returns the writer of an object's ids. It is good until the store is reset.
func (s *Store) IDs(o *Object) IDs {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return IDs{prefix: o.KeyPrefix, instance: s.instance, base: s.table(o).base}
}

// Append appends the 18-character id of a row, by its place as outcomes name it.
func (ids IDs) Append(b []byte, row uint32) []byte {
	return sfid.Append(b, ids.prefix, ids.instance, ids.base+uint64(row))
}
