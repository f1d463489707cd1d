package org

// Group is the live rows of an object that hold the same values.
type Group struct {
	Fields map[string]string `json:"fields"` // the named fields that are set
	Rows   int               `json:"rows"`
}

// Groups counts the live rows by the named fields, all when none is named, in the order in which a value first came.
// It tells how many identical rows there are of what nothing else names. Field names that the object does not have are
// returned as unknown, and then nothing is counted.
func (s *Store) Groups(o *Object, names []string) (groups []Group, unknown string) {
	var fields []*Field
	for _, name := range names {
		f := o.Field(name)
		if f == nil {
			return nil, name
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		fields = o.Fields
	}
	place := map[string]int{}
	values := make([]string, len(o.Fields))
	masked := make([]string, len(o.Fields))
	s.Read(func(r Reader) {
		t := s.table(o)
		for row := range t.rows {
			rec := &t.rows[row]
			if rec.now.deleted {
				continue
			}
			unpack(rec.now.data, values)
			for _, f := range fields {
				masked[f.index] = values[f.index]
			}
			key := pack(masked)
			i, known := place[key]
			if !known {
				i = len(groups)
				place[key] = i
				groups = append(groups, Group{Fields: fieldMap(o, key)})
			}
			groups[i].Rows++
		}
	})
	return groups, ""
}
