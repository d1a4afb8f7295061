// The greeting API as it is plainly written in Go: net/http and a pgx pool, one query per request.
//
// LISTEN and DATABASE_URL say where, POOL_SIZE how many connections.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type greeting struct {
	Message string `json:"message"`
}

type birth struct {
	DateOfBirth string `json:"dateOfBirth"`
}

type server struct {
	pool *pgxpool.Pool
}

func valid(username string) bool {
	if username == "" || utf8.RuneCountInString(username) > 50 {
		return false
	}
	for _, r := range username {
		if !unicode.IsLetter(r) {
			return false
		}
	}
	return true
}

// birthday is the day in a year; 29 February counts as 28 February where there is none.
func birthday(born time.Time, year int) time.Time {
	day := time.Date(year, born.Month(), born.Day(), 0, 0, 0, 0, time.UTC)
	if day.Month() != born.Month() {
		return time.Date(year, time.February, 28, 0, 0, 0, 0, time.UTC)
	}
	return day
}

func daysLeft(born, today time.Time) int {
	next := birthday(born, today.Year())
	if next.Before(today) {
		next = birthday(born, today.Year()+1)
	}
	return int(next.Sub(today) / (24 * time.Hour))
}

func today() time.Time {
	return time.Now().UTC().Truncate(24 * time.Hour)
}

func (s *server) greet(w http.ResponseWriter, r *http.Request) {
	username := r.PathValue("username")
	if !valid(username) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var born time.Time
	err := s.pool.QueryRow(r.Context(), "select date_of_birth from users where username = $1", username).Scan(&born)
	if errors.Is(err, pgx.ErrNoRows) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if err != nil {
		log.Print("database: ", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	message := fmt.Sprintf("Hello, %s! Happy birthday!", username)
	if days := daysLeft(born, today()); days > 0 {
		message = fmt.Sprintf("Hello, %s! Your birthday is in %d day(s)", username, days)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(greeting{message}); err != nil {
		log.Print("answer: ", err)
	}
}

func (s *server) put(w http.ResponseWriter, r *http.Request) {
	username := r.PathValue("username")
	var body birth
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	born, err := time.Parse(time.DateOnly, body.DateOfBirth)
	if err != nil || !valid(username) || !born.Before(today()) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var created bool
	err = s.pool.QueryRow(r.Context(),
		`insert into users (username, date_of_birth) values ($1, $2)
		 on conflict (username) do update set date_of_birth = excluded.date_of_birth
		 returning xmax = 0`, username, born).Scan(&created)
	if err != nil {
		log.Print("database: ", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if created {
		w.WriteHeader(http.StatusCreated)
	} else {
		w.WriteHeader(http.StatusNoContent)
	}
}

func run() error {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	config.MaxConns = 16
	if size, err := strconv.ParseInt(os.Getenv("POOL_SIZE"), 10, 32); err == nil {
		config.MaxConns = int32(size)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return err
	}
	defer pool.Close()
	s := &server{pool}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{username}", s.greet)
	mux.HandleFunc("PUT /hello/{username}", s.put)
	return http.ListenAndServe(os.Getenv("LISTEN"), mux)
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
