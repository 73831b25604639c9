#!/bin/sh
# luigid as etl/luigid.py starts it, with the settings of the installed wheel: btcql-luigid HOST PORT STATE_FILE
set -eu
python=$VIRTUAL_ENV/bin/python
LUIGI_CONFIG_PATH=$("$python" -P -c 'from importlib.resources import files; print(files("etl") / "luigi.cfg")')
export LUIGI_CONFIG_PATH
exec "$python" -P -c 'from luigi.cmdline import luigid; luigid()' --address "$1" --port "$2" --state-path "$3"
