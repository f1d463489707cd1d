package journeys

import "testing"

// A verdict that cannot say no proves nothing, so the two that read histories are asked about bad ones too.
func TestTheVerdictsSayNo(t *testing.T) {
	row := func(first, last string) orgVersion {
		return orgVersion{Fields: map[string]string{"FirstName": first, "LastName": last}}
	}
	for _, c := range []struct {
		name    string
		history []orgVersion
		back    bool
	}{
		{"versions that rise are good", []orgVersion{row("first v1", "last v1"), row("first v1", "last v2")}, false},
		{"the same version again is good", []orgVersion{row("first v1", "last v1"), row("first v1", "last v1")}, false},
		{"an older value over a newer one is seen", []orgVersion{row("first v2", "last v2"), row("first v1", "last v2")}, true},
		{"so it is when the field was cleared in between", []orgVersion{row("first v2", "last v2"), row("", "last v3"), row("first v1", "last v3")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p := goesBack(c.history); (p != "") != c.back {
				t.Errorf("%q", p)
			}
		})
	}
	for _, c := range []struct {
		name string
		b    balance
		good bool
	}{
		{"a balance that adds up is good", balance{Accepted: 5, Landed: 3, Dead: 2}, true},
		{"a balance that does not is seen", balance{Accepted: 5, Landed: 3, Dead: 1}, false},
		{"so is one in which a term below zero makes up for another", balance{Accepted: 5, Landed: 6, InFlight: -1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if good := c.b.holds(); good != c.good {
				t.Errorf("%+v: %t", c.b, good)
			}
		})
	}
}
