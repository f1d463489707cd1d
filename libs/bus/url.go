package bus

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// CheckURL says what is wrong with the address of a broker, which may be a list with commas: a scheme other than nats, tls, ws and wss, no
// host. The error never repeats a user or password. An address that it takes may still lead nowhere.
func CheckURL(list string) error {
	for _, one := range strings.Split(list, ",") {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		switch {
		case err != nil || u.Hostname() == "":
			return errors.New("the broker's address names no host: write nats://host:4222")
		case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
			return fmt.Errorf("the broker's address begins with %s://: NATS is spoken over nats:// or tls:// (ws:// and wss:// through a proxy)", u.Scheme)
		}
	}
	return nil
}
