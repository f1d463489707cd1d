//go:build !planted

package planted

import "errors"

// Enabled says whether this binary was built with the tag `planted`.
const Enabled = false

// On is false: this binary was built without the tag `planted`.
func On(Bug) bool { return false }

// Set checks the name and, when it is not empty, refuses it: this binary was built without the tag `planted`.
func Set(name Bug) error {
	bug, err := find(string(name))
	if err == nil && bug != None {
		err = errors.New("planted bugs need a binary built with -tags planted")
	}
	return err
}
