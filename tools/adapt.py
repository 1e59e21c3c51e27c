"""`mtdnn adapt` without an installation."""

from mtdnn_tf.commands.making.adapt import COMMAND

if __name__ == "__main__":
    COMMAND.run()
