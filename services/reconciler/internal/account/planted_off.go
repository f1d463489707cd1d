//go:build !planted

package account

// What follows is for planted bugs only; nothing in this binary calls it.

func (r *Reading) position() (int, bool) { return 0, false }

func (o *Outcome) sendAllAgain(Job) {}
