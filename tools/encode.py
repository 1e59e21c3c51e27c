"""`mtdnn encode` without an installation."""

from mtdnn_tf.commands.making.encode import COMMAND

if __name__ == "__main__":
    COMMAND.run()
