"""`mtdnn cost` without an installation."""

from mtdnn_tf.commands.using.cost import COMMAND

if __name__ == "__main__":
    COMMAND.run()
