"""`mtdnn evaluate` without an installation."""

from mtdnn_tf.commands.using.evaluate import COMMAND

if __name__ == "__main__":
    COMMAND.run()
