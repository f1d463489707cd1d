package org

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/sfid"
)

// Approval says whether a user may come in through the connected app.
type Approval string

// The approvals.
const (
	Approved         Approval = "approved"           // the default
	NotApproved      Approval = "not_approved"       // the user never said yes to the app
	NotAdminApproved Approval = "not_admin_approved" // the app is for users whom an admin let in, and this is none
)

// AdminUsername is the user who made what was seeded.
const AdminUsername = "admin@simulated.example"

// User is somebody who may sign in. What the User object has besides is in its row.
type User struct {
	ID       string   `json:"id"` // 18 characters
	Username string   `json:"username"`
	Name     string   `json:"name"`
	Active   bool     `json:"active"`
	Approval Approval `json:"approval"`
	// ManageData is the permission "Manage Data Integrations": to see and to abort the jobs of others.
	ManageData bool `json:"manage_data_integrations"`
	// PasswordExpired makes a SOAP login say so.
	PasswordExpired bool `json:"password_expired"`
}

// UserChange says what is to be another way; nil members stay as they are.
type UserChange struct {
	Active          *bool     `json:"active"`
	Approval        *Approval `json:"approval"`
	ManageData      *bool     `json:"manage_data_integrations"`
	PasswordExpired *bool     `json:"password_expired"`
}

// account is the part of a user that has no field on the User object.
type account struct {
	row             uint32
	approval        Approval
	manageData      bool
	passwordExpired bool
}

// ErrUser is wrapped by everything that is wrong with a change of a user.
var ErrUser = errors.New("user cannot be changed")

// Users are all users, in the order in which they came to be.
func (s *Store) Users() []User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]User, 0, len(s.accounts))
	for i := range s.accounts {
		out = append(out, s.userOf(&s.accounts[i]))
	}
	return out
}

// User finds a user by name, without regard to case, or by id in either form.
func (s *Store) User(name string) (User, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.account(name)
	if a == nil {
		return User{}, false
	}
	return s.userOf(a), true
}

// PutUser changes a user, and makes one first where nobody has the username. Reset undoes both.
func (s *Store) PutUser(username string, c UserChange) (User, error) {
	if at := strings.LastIndexByte(username, '@'); at < 1 || at == len(username)-1 || len(username) > 80 {
		return User{}, fmt.Errorf("%w: username %q must have the form of an e-mail address, of at most 80 bytes", ErrUser, username)
	}
	if c.Approval != nil && *c.Approval != Approved && *c.Approval != NotApproved && *c.Approval != NotAdminApproved {
		return User{}, fmt.Errorf("%w: approval %q must be %s, %s or %s", ErrUser, *c.Approval, Approved, NotApproved, NotAdminApproved)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(username)
	if a == nil {
		first, _, _ := strings.Cut(username, "@")
		a = s.addUser(username, first, "User", false)
	}
	if c.Active != nil {
		s.setActive(a, *c.Active)
	}
	if c.Approval != nil {
		a.approval = *c.Approval
	}
	if c.ManageData != nil {
		a.manageData = *c.ManageData
	}
	if c.PasswordExpired != nil {
		a.passwordExpired = *c.PasswordExpired
	}
	return s.userOf(a), nil
}

// addUser adds an active and approved user, for as long as no other is added; the caller holds mu.
func (s *Store) addUser(username, first, last string, manageData bool) *account {
	row := s.addSystem("User", map[string]string{
		"Username": username, "FirstName": first, "LastName": last, "Name": first + " " + last, "Email": username, "IsActive": "true",
	})
	s.accounts = append(s.accounts, account{row: row, approval: Approved, manageData: manageData})
	return &s.accounts[len(s.accounts)-1]
}

// setActive gives the row of a user its next version; the caller holds mu.
func (s *Store) setActive(a *account, active bool) {
	t := s.table(s.model.Object("User"))
	old := make([]string, len(t.object.Fields))
	unpack(t.rows[a.row].now.data, old)
	field := t.object.Field("IsActive").index
	if text := strconv.FormatBool(active); old[field] != text {
		next := append([]string(nil), old...)
		next[field] = text
		t.change(a.row, old, next, version{at: s.tick()})
	}
}

// account finds a user; the caller holds mu.
func (s *Store) account(name string) *account {
	users := s.table(s.model.Object("User"))
	short, isID := sfid.Parse(name)
	for i := range s.accounts {
		a := &s.accounts[i]
		if isID && s.id15(users, a.row) == short || strings.EqualFold(s.userField(a, "Username"), name) {
			return a
		}
	}
	return nil
}

func (s *Store) userOf(a *account) User {
	users := s.table(s.model.Object("User"))
	return User{
		ID: sfid.To18(s.id15(users, a.row)), Username: s.userField(a, "Username"), Name: s.userField(a, "Name"), Active: s.userField(a, "IsActive") == "true",
		Approval: a.approval, ManageData: a.manageData, PasswordExpired: a.passwordExpired,
	}
}

func (s *Store) userField(a *account, name string) string {
	users := s.table(s.model.Object("User"))
	return packedValue(users.rows[a.row].now.data, users.object.Field(name).index)
}
