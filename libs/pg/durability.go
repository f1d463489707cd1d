package pg

import (
	"errors"
	"fmt"
)

const (
	// durabilitySetting is a setting of the server's, of a database, a role or a session, that PostgreSQL keeps for us without knowing it.
	durabilitySetting = "bulkhead.durability"
	// unsafeWord is all that it can be but empty.
	unsafeWord = "unsafe"
)

// ErrUnsafe says that the server could lose what it has committed when it loses power, and nobody asked for that by name.
var ErrUnsafe = errors.New("the server could lose what it commits")

// Durability is how a server keeps what it has acknowledged, as it says itself: "on", "off" and the like.
type Durability struct {
	Fsync, FullPageWrites string
	// SynchronousCommit is what sessions have that say nothing; a pool from Open has a safe one all the same.
	SynchronousCommit string
	// Word is the setting bulkhead.durability: "unsafe" where the loss is wanted, such as for tests, else empty. It stands at the server whose
	// settings it excuses, and so no service can be talked into it.
	Word string
}

// Check refuses a server that could lose what it commits, unless that is asked for by name. The error wraps ErrUnsafe and says what to do.
func (d Durability) Check() error {
	if d.Word != "" && d.Word != unsafeWord {
		return fmt.Errorf("%w: its setting %s reads %q, and can only be %s or empty", ErrUnsafe, durabilitySetting, d.Word, unsafeWord)
	}
	for _, s := range []struct{ name, is string }{{"fsync", d.Fsync}, {"full_page_writes", d.FullPageWrites}} {
		if s.is != "on" && d.Word != unsafeWord {
			return fmt.Errorf("%w: it runs with %s = %s, and a power cut may take away what it has acknowledged, or all of it; set it to on, "+
				"or ask for the loss by name: ALTER DATABASE … SET %s = '%s'", ErrUnsafe, s.name, s.is, durabilitySetting, unsafeWord)
		}
	}
	return nil
}

// Unsafe says whether the loss of acknowledged commits was asked for by name.
func (d Durability) Unsafe() bool { return d.Word == unsafeWord }
