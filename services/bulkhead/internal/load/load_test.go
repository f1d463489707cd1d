package load

import (
	"errors"
	"strings"
	"testing"
)

func TestAddressesAreToldWithoutSecrets(t *testing.T) {
	for name, c := range map[string]struct{ address, want string }{
		"an address without secrets stays":           {"nats://127.0.0.1:4222", "nats://127.0.0.1:4222"},
		"a password is left out":                     {"nats://svc:pw1@n0:4222", "nats://xxxxx@n0:4222"},
		"so is each one of a list":                   {"nats://svc:pw1@n0:4222,tls://svc:pw2@n1:4222, nats://n2:4222", "nats://xxxxx@n0:4222,tls://xxxxx@n1:4222,nats://n2:4222"},
		"a token stands where a name does":           {"nats://pw1@n0:4222", "nats://xxxxx@n0:4222"},
		"an address may lack the scheme":             {"svc:pw1@n0:4222,n1", "nats://xxxxx@n0:4222,nats://n1"},
		"an address that cannot be read is not told": {"nats://svc:pw#1@n0:4222,nats://n1:4222", "(no address),nats://n1:4222"},
		"nor is what stands behind a host":           {"nats://svc/pw1@n0:4222", "nats://svc"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := redacted(c.address); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	t.Run("an error that would quote the address does not", func(t *testing.T) {
		_, err := connect("nats://svc:pw#1@127.0.0.1:4222")
		var away *UnreachableError
		if !errors.As(err, &away) || strings.Contains(err.Error(), "pw") {
			t.Error(err)
		}
	})
}
