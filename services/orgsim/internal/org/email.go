package org

import "strings"

// validEmail follows what Salesforce lets through: one @, and a domain with at least one dot. It says yes to exactly
// what this pattern matches, several times as fast:
//
//	^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@L(\.L)*\.[A-Za-z]{2,}$  where L is  [A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?
func validEmail(v string) bool {
	name, domain, ok := strings.Cut(v, "@")
	if !ok || name == "" {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", c) < 0 {
			return false
		}
	}
	dot := strings.LastIndexByte(domain, '.')
	if dot < 0 || len(domain)-dot-1 < 2 {
		return false
	}
	for i := dot + 1; i < len(domain); i++ {
		if !letter(domain[i]) {
			return false
		}
	}
	// Every label before the last dot begins and ends with a letter or a digit.
	begins := true
	for i := range dot {
		c := domain[i]
		ends := i+1 == dot || domain[i+1] == '.'
		switch {
		case c == '.' && begins:
			return false
		case c == '.':
			begins = true
			continue
		case c == '-' && (begins || ends):
			return false
		case c != '-' && !alphanumeric(c):
			return false
		}
		begins = false
	}
	return dot > 0 && !begins
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func alphanumeric(c byte) bool { return letter(c) || (c >= '0' && c <= '9') }
