package pipeline

// Merge lays the cells of a newer record over those of an older one of the same entity, field by field: what the newer one says wins, null
// included ([Null] is a value), and where it says nothing the older one stays. Both have the same columns. It returns a new row.
func Merge(older, newer []string) []string {
	out := make([]string, len(older))
	for i, cell := range older {
		if i < len(newer) && newer[i] != "" {
			cell = newer[i]
		}
		out[i] = cell
	}
	return out
}
