"""`mtdnn query` without an installation."""

from mtdnn_tf.commands.using.query import COMMAND

if __name__ == "__main__":
    COMMAND.run()
