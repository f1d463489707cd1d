package org

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/switches"
)

func usersStore(t *testing.T) *Store {
	t.Helper()
	m, err := ReadModel([]byte("objects: [{name: Thing__c, keyPrefix: a00, fields: [{name: Name, type: string}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	return NewStore(Config{Model: m, Seed: 1, Username: "me@here.example", Now: time.Now, Switches: switches.NewStore()})
}

func TestUsers(t *testing.T) {
	s := usersStore(t)
	no, yes, never, nonsense := false, true, NotApproved, Approval("perhaps")
	t.Run("an org begins with its integration user and an administrator, who manages data", func(t *testing.T) {
		all := s.Users()
		if len(all) != 2 || all[0].ID != s.Identity().UserID || all[0].ManageData || all[1].Username != AdminUsername || !all[1].ManageData {
			t.Errorf("got %+v", all)
		}
	})
	t.Run("a user is found by name in any case and by id in either form", func(t *testing.T) {
		id := s.Identity().UserID
		for _, name := range []string{"me@here.example", "ME@here.example", id, id[:15]} {
			if u, ok := s.User(name); !ok || u.ID != id {
				t.Errorf("%s: got %+v", name, u)
			}
		}
		if u, ok := s.User("you@here.example"); ok {
			t.Errorf("got %+v", u)
		}
	})
	t.Run("a change makes the user where there is none, and leaves what it does not name", func(t *testing.T) {
		first, err := s.PutUser("you@here.example", UserChange{ManageData: &yes})
		if err != nil || !first.Active || first.Approval != Approved || !first.ManageData {
			t.Errorf("got %+v, %v", first, err)
		}
		second, err := s.PutUser("You@here.example", UserChange{Active: &no, Approval: &never})
		if err != nil || second.ID != first.ID || second.Active || second.Approval != NotApproved || !second.ManageData {
			t.Errorf("got %+v, %v", second, err)
		}
	})
	t.Run("the row of a user says whether it is active", func(t *testing.T) {
		s.Read(func(r Reader) {
			object := s.Model().Object("User")
			row, _ := r.ByKey(object, object.Field("Username"), "you@here.example")
			if len(row) != 1 || r.Value(object, row[0], object.Readable("IsActive")) != "false" {
				t.Errorf("got %v", row)
			}
		})
	})
	t.Run("a change that makes no sense is refused", func(t *testing.T) {
		for _, name := range []string{"", "you", "@", "you@", strings.Repeat("x", 80) + "@here.example"} {
			if _, err := s.PutUser(name, UserChange{}); !errors.Is(err, ErrUser) {
				t.Errorf("%q: %v", name, err)
			}
		}
		if _, err := s.PutUser("me@here.example", UserChange{Approval: &nonsense}); !errors.Is(err, ErrUser) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a reset brings back the users of the beginning", func(t *testing.T) {
		before := s.Identity()
		s.Reset()
		if all := s.Users(); len(all) != 2 || s.Identity() != before {
			t.Errorf("got %+v", all)
		}
	})
}
