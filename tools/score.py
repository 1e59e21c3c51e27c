"""`mtdnn score` without an installation."""

from mtdnn_tf.commands.making.score import COMMAND

if __name__ == "__main__":
    COMMAND.run()
