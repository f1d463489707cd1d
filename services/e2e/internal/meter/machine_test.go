package meter

import (
	"testing"
	"time"
)

func TestMachine(t *testing.T) {
	t.Run("counts what was not idle, and what was stolen", func(t *testing.T) {
		m, err := parseMachine("cpu  100 10 50 9000 400 1 2 7 99 99\ncpu0 1 2 3\n")
		if err != nil || m.Busy != 170*tick || m.Stolen != 7*tick {
			t.Errorf("%+v, %v", m, err)
		}
	})
	for _, bad := range []string{"", "cpu 1 2", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 x 5 6 7 8"} {
		t.Run("refuses "+bad, func(t *testing.T) {
			if m, err := parseMachine(bad); err == nil {
				t.Errorf("%+v", m)
			}
		})
	}
	t.Run("reads this machine", func(t *testing.T) {
		if m, err := ReadMachine(); err != nil || m.Busy < time.Millisecond {
			t.Errorf("%+v, %v", m, err)
		}
	})
}
