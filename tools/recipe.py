"""`mtdnn recipe` without an installation."""

from mtdnn_tf.commands.making.recipe import COMMAND

if __name__ == "__main__":
    COMMAND.run()
