package org

import (
	"strings"

	"bulkhead/services/orgsim/internal/sfid"
)

// check applies the rules that look at the whole row: sv.values, and sv.old when the row exists. The order is that in
// which real orgs save: required fields, validation rules, duplicate rules, and at last what the database itself keeps.
func (sv *saver) check(row uint32, exists bool) *RowError {
	o := sv.p.Object
	var missing []string
	for _, f := range o.required {
		if sv.values[f.index] == "" {
			missing = append(missing, f.Name)
		}
	}
	if missing != nil {
		return rowError("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
	}
	if exists && o.references != nil { // nothing can refer yet to a row that is not there
		if problem := sv.moved(row); problem != nil {
			return problem
		}
	}
	if o.Validations != nil {
		if problem := sv.validate(exists); problem != nil {
			return problem
		}
	}
	if o.blocking != nil && !sv.seeding {
		if problem := sv.duplicates(row, exists); problem != nil {
			return problem
		}
	}
	for _, f := range o.unique {
		v := sv.values[f.index]
		if v == "" || exists && v == sv.old[f.index] {
			continue
		}
		other, taken, _ := sv.t.keys[f.index].first(f.Fold(v))
		if taken && (!exists || other != row) {
			// Real orgs write the 15-character id here.
			return rowError("DUPLICATE_VALUE", "duplicate value found: "+f.Name+" duplicates value on record with id: "+sv.s.id15(sv.t, other))
		}
	}
	return nil
}

// validate asks the validation rules.
func (sv *saver) validate(exists bool) *RowError {
	for i := range sv.p.Object.Validations {
		v := &sv.p.Object.Validations[i]
		if v.refuse == nil {
			if text := sv.values[v.field.index]; text != "" && !v.matcher.MatchString(text) {
				return rowError("FIELD_CUSTOM_VALIDATION_EXCEPTION", v.Message, v.Fields...)
			}
			continue
		}
		sv.facts.new, sv.facts.old, sv.facts.isNew = sv.values, nil, !exists
		if exists {
			sv.facts.old = sv.old
		}
		refuses, err := v.refuse.holds(&sv.facts)
		if err != nil {
			return rowError("FIELD_CUSTOM_VALIDATION_EXCEPTION",
				"The validation rule "+v.Name+" could not be evaluated: "+err.Error(), v.Fields...)
		}
		if refuses {
			return rowError("FIELD_CUSTOM_VALIDATION_EXCEPTION", v.Message, v.Fields...)
		}
	}
	return nil
}

// moved refuses a detail that would go to another master, and a row that would come to stand above itself.
func (sv *saver) moved(row uint32) *RowError {
	for _, f := range sv.p.Object.references {
		was, is := sv.old[f.index], sv.values[f.index]
		if !f.MasterDetail || f.Reparentable || was == is {
			continue
		}
		if sv.p.Operation == Upsert {
			return rowError("INVALID_FIELD_FOR_INSERT_UPDATE", "Attempting to update (as part of an upsert) parent field "+f.Name+
				" with new value "+is+", current value "+was, f.Name)
		}
		return rowError("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: "+f.Name+
			". Please check the security settings of this field and verify that it is read/write for your profile or permission set.", f.Name)
	}
	for _, f := range sv.p.Object.hierarchies {
		if sv.values[f.index] != sv.old[f.index] && sv.above(f, row, sv.values[f.index]) {
			return rowError("CIRCULAR_DEPENDENCY", "attempt to violate hierarchy constraints", f.Name)
		}
	}
	return nil
}

// above says whether a row is the one with an id or stands above it by a field.
func (sv *saver) above(f *Field, row uint32, id string) bool {
	for id != "" {
		short, ok := sfid.Parse(id)
		if !ok {
			return false
		}
		at, ok := sv.s.find(sv.t, short)
		if !ok {
			return false // a row of another object
		}
		if at == row {
			return true
		}
		id = packedValue(sv.t.rows[at].now.data, f.index)
	}
	return false
}

// duplicates asks the duplicate rules. A row that exists is compared only when it changes in what they look at.
func (sv *saver) duplicates(row uint32, exists bool) *RowError {
	for i, rule := range sv.p.Object.blocking {
		key := rule.key(sv.values)
		if key == "" || exists && key == rule.key(sv.old) {
			continue
		}
		if _, taken, _ := sv.t.matches[i].first(key); taken {
			return rowError("DUPLICATES_DETECTED", rule.Message)
		}
	}
	return nil
}

// key is what rows that mean the same by the rule have in common; "" when a field is not set.
func (r *DuplicateRule) key(values []string) string {
	var b strings.Builder
	for _, f := range r.fields {
		v := values[f.index]
		if v == "" {
			return ""
		}
		b.WriteString(strings.ToLower(v))
		b.WriteByte(0)
	}
	return b.String()
}
