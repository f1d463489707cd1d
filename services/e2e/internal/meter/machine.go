package meter

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Machine is what all processors of this machine did since it started.
type Machine struct {
	// Busy is all that was not idle; Stolen is what a hypervisor gave to others meanwhile, and is part of it.
	Busy, Stolen time.Duration
}

// ReadMachine reads it. Its grain is the clock tick of each processor.
func ReadMachine() (Machine, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, fmt.Errorf("look at the machine: %w", err)
	}
	return parseMachine(string(text))
}

func parseMachine(text string) (Machine, error) {
	const idle, waiting, stolen, counted = 3, 4, 7, 8 // members of the first line; what follows is part of others
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < counted+1 || fields[0] != "cpu" {
		return Machine{}, errors.New("/proc/stat does not begin with the sum of all processors")
	}
	var m Machine
	for i, field := range fields[1 : counted+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return Machine{}, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != idle && i != waiting {
			m.Busy += time.Duration(n) * tick
		}
		if i == stolen {
			m.Stolen = time.Duration(n) * tick
		}
	}
	return m, nil
}
