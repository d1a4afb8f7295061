"""The greeting API as it is plainly written with Flask and SQLAlchemy.

Run by gunicorn (gunicorn.conf.py); DATABASE_URL says where the users are.
"""

import datetime
import os

from flask import Flask, abort, jsonify, request
from sqlalchemy import create_engine, literal_column
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    username: Mapped[str] = mapped_column(primary_key=True)
    date_of_birth: Mapped[datetime.date]


app = Flask(__name__)
engine = create_engine(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg://", 1),
    pool_size=int(os.environ.get("POOL_SIZE", "16")),
    max_overflow=0,
)


def valid(username):
    return 0 < len(username) <= 50 and username.isalpha()


def birthday(born, year):
    """The day in a year; 29 February counts as 28 February where there is none."""
    try:
        return born.replace(year=year)
    except ValueError:
        return datetime.date(year, 2, 28)


def days_left(born, today):
    following = birthday(born, today.year)
    if following < today:
        following = birthday(born, today.year + 1)
    return (following - today).days


def today():
    return datetime.datetime.now(datetime.timezone.utc).date()


@app.get("/hello/<username>")
def greet(username):
    if not valid(username):
        abort(400)
    with Session(engine) as session:
        user = session.get(User, username)
        if user is None:
            abort(404)
        days = days_left(user.date_of_birth, today())
    if days == 0:
        return jsonify(message=f"Hello, {username}! Happy birthday!")
    return jsonify(message=f"Hello, {username}! Your birthday is in {days} day(s)")


@app.put("/hello/<username>")
def put(username):
    body = request.get_json()
    try:
        born = datetime.datetime.strptime(body["dateOfBirth"], "%Y-%m-%d").date()
    except (KeyError, TypeError, ValueError):
        abort(400)
    if not valid(username) or born >= today():
        abort(400)
    upsert = insert(User).values(username=username, date_of_birth=born)
    upsert = upsert.on_conflict_do_update(
        index_elements=[User.username], set_={"date_of_birth": upsert.excluded.date_of_birth}
    ).returning(literal_column("xmax = 0"))
    with Session(engine) as session:
        created = session.execute(upsert).scalar_one()
        session.commit()
    return "", 201 if created else 204
