package definitions

import "strings"

// suggest is the end of a message about a name that is not there: the one that is most like it, or "".
func suggest(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return ": did you mean " + near + "?"
	}
	return ""
}

// nearest is the API name that a mistyped one is most like; "" = none is near. Case, underscores and the suffix of custom names are what people get
// wrong, so they do not count.
func nearest(name string, names []string) string {
	best, most := "", 1
	plain := plainName(name)
	for _, candidate := range names {
		if n := likeness(plain, plainName(candidate)); n > most {
			best, most = candidate, n
		}
	}
	return best
}

func plainName(s string) string {
	s = strings.ToLower(s)
	for _, suffix := range []string{"__c", "__r"} {
		s = strings.TrimSuffix(s, suffix)
	}
	return strings.ReplaceAll(s, "_", "")
}

// likeness counts the letters that two names begin and end with alike; 0 = too many differ to be the same name mistyped.
func likeness(a, b string) int {
	const allowed = 2 // letters that may differ
	if a == b {
		return len(a) + len(b) + 1
	}
	short := min(len(a), len(b))
	head := 0
	for head < short && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < short-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	if max(len(a), len(b))-head-tail > allowed || head+tail < allowed {
		return 0
	}
	return head + tail
}
